/** Kinds of parts of a script (script.c), numbered as in the `enum` of script.h. */
export const EXCHANGE = 0;
export const DELETE_LINK = 1;
export const CREATE_TAP = 2;
export const PERSIST_TAP = 3;
export const READ_FILE = 4;
export const WRITE_FILE = 5;
export const QUERY_TCX = 6;
export const READ_PROGRAM = 7;
export const NFTABLES = 8;
export const EXCHANGE_AT_HOME = 9;

/** A part of a script: what a thread does in a netns. */
export type NativePart =
  /**
   * Sends rtnetlink requests and receives until each dump has ended and each other request is
   * acknowledged or refused. `keeps` has four numbers for each request (`struct keep` of
   * rtnetlink.h), or is empty. A reply that is longer is cut short and ends with EOVERFLOW.
   */
  | readonly [typeof EXCHANGE, requests: Uint32Array, keeps: Uint32Array]
  /**
   * Sends one RTM_DELLINK and waits until the link has left the netns. The only reply is a
   * refusal.
   */
  | readonly [typeof DELETE_LINK, request: Uint32Array]
  /**
   * Creates a tap that lives as long as its descriptor. Ifindex 0 means any; a negative owner or
   * group means none. If there is an SELinux label, `helper`, the shim, creates the tap under that
   * label.
   */
  | readonly [
      typeof CREATE_TAP,
      ifname: string,
      ifindex: number,
      multiQueue: boolean,
      owner: number,
      group: number,
      label: string | null,
      helper: string | null,
    ]
  /** Makes the tap outlive its descriptor. */
  | readonly [typeof PERSIST_TAP]
  /**
   * Reads a file of procfs or sysfs, given by its number in the `enum` of kernel-file.h, and the
   * link whose file it is ("" and 0 for the files of the netns). Returns its text.
   */
  | readonly [typeof READ_FILE, file: number, ifname: string, ifindex: number]
  | readonly [typeof WRITE_FILE, file: number, ifname: string, ifindex: number, value: string]
  /**
   * Finds the TCX programs at the ingress of the links that the previous part listed. Returns
   * pairs of ifindex and program id.
   */
  | readonly [typeof QUERY_TCX]
  /** Reads a program. Returns `struct program` of bpf.h, followed by the instructions. */
  | readonly [typeof READ_PROGRAM, id: number]
  /**
   * Sends requests to nftables: either one batch, whose first refusal becomes the failure of the
   * part, or queries, each with its own reply or refusal.
   */
  | readonly [typeof NFTABLES, requests: Uint32Array]
  /** Like EXCHANGE, but in this process's own netns. */
  | readonly [typeof EXCHANGE_AT_HOME, requests: Uint32Array];
