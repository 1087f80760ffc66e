import type { Request } from '../netlink/message.ts';

/** Why the kernel refused a request. */
export interface Refusal {
  /** Positive, as in errno.h. */
  readonly errno: number;
  /** `mtu greater than device maximum (Invalid argument)`; without an explanation of the kernel only the latter. */
  readonly reason: string;
  /** The kernel's answer is lost: the request may have been done. */
  readonly isUnanswered?: true;
}

/** A tap to be made, which rtnetlink cannot do. */
export interface NewTap {
  readonly ifname: string;
  /** One that is free; 0: the kernel chooses. */
  readonly ifindex: number;
  readonly multiQueue: boolean;
  /** Uid that may attach; null: anyone. */
  readonly owner: number | null;
  readonly group: number | null;
  /** The SELinux label that it is made under, and by which program (the shim); null: by us. */
  readonly labelled: { readonly label: string; readonly helper: string } | null;
}

/** Those of a netns that there is a reason to touch, in the order of `enum` in sysctl.h: the kernel is never told a path. */
export const SYSCTLS = ['net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ping_group_range'] as const;
export type Sysctl = (typeof SYSCTLS)[number];
/** What they are, as text: numbers with one space between them. */
export type Sysctls = Readonly<Record<Sysctl, string>>;

/** One thing to do in a netns. */
export type Part =
  /** All in one go: the kernel goes on with the next request whether or not it did one. */
  | { readonly part: 'change'; readonly requests: readonly Request[] }
  /** Returns when the link is out of the netns, which is about 18 ms (RCU) before the kernel would answer. */
  | { readonly part: 'deleteLink'; readonly deletion: Request }
  /** It vanishes when the socket is closed, unless it is made persistent before the next one is made. */
  | { readonly part: 'createTap'; readonly tap: NewTap }
  | { readonly part: 'persistTap' }
  /** To nftables: the kernel does all of it or nothing, which counts as one request here. */
  | { readonly part: 'nftables'; readonly requests: readonly Request[] }
  | { readonly part: 'writeSysctl'; readonly sysctl: Sysctl; readonly value: string };

/** What became of a request: `done`, or why the kernel refused it. */
export type RequestOutcome = 'done' | Refusal;

/** What became of a part: an outcome for each request, or `notReached` because an earlier part failed. */
export type PartOutcome = readonly RequestOutcome[] | 'notReached';
