import type { Request } from '../netlink/message.ts';

/** Why the kernel refused a request. */
export interface Refusal {
  /** Error number, positive as in errno.h. */
  readonly errno: number;
  /**
   * The kernel's explanation and the text of the errno, such as `mtu greater than device maximum
   * (Invalid argument)`; only the latter if the kernel gives no explanation.
   */
  readonly reason: string;
  /** The kernel's reply is lost, so the request may have succeeded. */
  readonly isUnanswered?: true;
}

/** A tap to be created, which rtnetlink cannot do. */
export interface NewTap {
  readonly ifname: string;
  /** An unused ifindex; 0 lets the kernel choose. */
  readonly ifindex: number;
  readonly multiQueue: boolean;
  /** Uid that may attach to the tap; null for anyone. */
  readonly owner: number | null;
  readonly group: number | null;
  /**
   * The SELinux label for the tap, and the program that creates the tap under it (the shim); null
   * to create the tap in this process.
   */
  readonly labelled: { readonly label: string; readonly helper: string } | null;
}

/** The sysctls of a netns that Tapwire reads or writes. */
export const SYSCTLS = ['net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ping_group_range'] as const;
export type Sysctl = (typeof SYSCTLS)[number];

/**
 * The files of procfs and sysfs that Tapwire uses, in the order of the `enum` in kernel-file.h. The
 * addon takes a number, so the kernel never gets a path from a request.
 */
export const FILES = [...SYSCTLS, 'disable_ipv6', 'tap device'] as const;
export type KernelFile = (typeof FILES)[number];

/** The values as text: numbers separated by one space. */
export type Sysctls = Readonly<Record<Sysctl, string>>;

/** One operation in a netns. */
export type Part =
  /** Sends all requests at once. The kernel carries out each one, even after it refused another. */
  | { readonly part: 'change'; readonly requests: readonly Request[] }
  /** Returns once the link has left the netns, about 18 ms (RCU) before the kernel would reply. */
  | { readonly part: 'deleteLink'; readonly deletion: Request }
  /**
   * Creates a tap. It vanishes on `close`, unless `persistTap` runs before the next `createTap`.
   */
  | { readonly part: 'createTap'; readonly tap: NewTap }
  | { readonly part: 'persistTap' }
  /**
   * Sends requests to nftables. The kernel carries out all of them or none, so they count as one
   * request here.
   */
  | { readonly part: 'nftables'; readonly requests: readonly Request[] }
  | { readonly part: 'writeSysctl'; readonly sysctl: Sysctl; readonly value: string }
  /** Decides whether the kernel uses IPv6 on a link. */
  | { readonly part: 'setIpv6'; readonly ifname: string; readonly on: boolean }
  /**
   * Sends a request to this process's own netns, such as for a link whose lower device is there.
   * Its attributes may name a pod's netns by `netns`.
   */
  | { readonly part: 'changeAtHome'; readonly request: (netns: number) => Request };

/** Outcome of a request: `done`, or why the kernel refused it. */
export type RequestOutcome = 'done' | Refusal;

/** Outcome of a part: one for each request, or `notReached` because an earlier part failed. */
export type PartOutcome = readonly RequestOutcome[] | 'notReached';
