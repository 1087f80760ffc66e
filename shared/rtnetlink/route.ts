import { decodeAttributes, readBytes, readU32 } from '../netlink/attribute.ts';
import { type Message, NLM_F_DUMP, type Query } from '../netlink/message.ts';
import { AF_INET, AF_INET6, formatAddress } from './address.ts';

/** A unicast route (`ip route show table all`). */
export interface Route {
  readonly family: 'inet' | 'inet6';
  /** Destination such as `10.2.0.0/16`, or `default`. */
  readonly destination: string;
  /**
   * Address of the gateway; null if the destination is on the link, or the route has several next
   * hops.
   */
  readonly gateway: string | null;
  /** Ifindex; null if the route has several next hops, or a gateway of the other family. */
  readonly link: number | null;
  readonly table: number;
  /**
   * RTPROT_* that says who added the route: 2 the kernel, 3 boot, 4 static, 9 router advertisement.
   */
  readonly protocol: number;
}

// linux/rtnetlink.h
export const RTPROT_RA = 9;
export const RT_TABLE_MAIN = 254;

const RTM_GETROUTE = 26;
const RTMSG_BYTES = 12;
const RTN_UNICAST = 1;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_VIA = 18;
const RTA_TABLE = 15;

/** Queries all unicast routes of the netns, IPv4 and IPv6, in all tables. */
export const allRoutes: Query<readonly Route[]> = {
  request: { type: RTM_GETROUTE, flags: NLM_F_DUMP, body: [0, 0, 0] },
  decode: (replies) =>
    replies
      .filter(({ body }) => (body[0] === AF_INET || body[0] === AF_INET6) && body[7] === RTN_UNICAST)
      .map(decodeRoute),
};

function decodeRoute({ body }: Message): Route {
  const attributes = decodeAttributes(body, RTMSG_BYTES);
  const destination = readBytes(attributes, RTA_DST);
  const gateway = readBytes(attributes, RTA_GATEWAY);
  return {
    family: body[0] === AF_INET ? 'inet' : 'inet6',
    destination: destination === undefined ? 'default' : `${formatAddress(destination)}/${body.readUInt8(1)}`,
    gateway: gateway === undefined ? null : formatAddress(gateway),
    link: readBytes(attributes, RTA_VIA) !== undefined ? null : (readU32(attributes, RTA_OIF) ?? null),
    table: readU32(attributes, RTA_TABLE) ?? body.readUInt8(4),
    protocol: body.readUInt8(5),
  };
}
