import type { Message } from '../../shared/netlink/message.ts';
import { decodeLink } from '../../shared/rtnetlink/link.ts';

// linux/rtnetlink.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV4_ROUTE = 0x40;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTMGRP_IPV6_ROUTE = 0x400;

/** Events of links. */
export const LINK_GROUPS = RTMGRP_LINK;
/** Events of links, addresses and routes. */
export const ALL_GROUPS =
  RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;

/** A lower device whose state must be known. */
export interface Watched {
  readonly lowerDevice: string;
  /** Its ifindex when it was last read; null if it did not exist. A renamed link keeps it. */
  readonly ifindex: number | null;
  /** Whether its addresses and the default route matter. */
  readonly isForOne: boolean;
}

/** Bytes of `struct ifinfomsg`; those of addresses and routes are shorter. */
const LINK_BYTES = 16;
const MIN_BYTES = 8;

/**
 * Names the lower devices that an event may have changed. A busy node has many events, nearly all
 * about links of pods.
 */
export function affectedBy({ type, body }: Message, all: readonly Watched[]): readonly string[] {
  return all.filter((one) => isAffected(type, body, one)).map(({ lowerDevice }) => lowerDevice);
}

function isAffected(type: number, body: Buffer, { lowerDevice, ifindex, isForOne }: Watched): boolean {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      if (body.length < LINK_BYTES) return true; // an event that cannot be read may be any
      const link = decodeLink({ body });
      return link.ifname === lowerDevice || link.ifindex === ifindex;
    }
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return isForOne && (body.length < MIN_BYTES || body.readUInt32LE(4) === ifindex);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return isForOne && (body.length < MIN_BYTES || body[1] === 0); // prefix length 0: default route
    default:
      return false;
  }
}
