import { decodeAttributes, readBytes, readText, text, type Words } from '../netlink/attribute.ts';
import {
  type Keep,
  type Message,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  type Query,
  type Request,
} from '../netlink/message.ts';

/** Kinds of qdiscs for the ingress slot of a link. The older one, `ingress`, has no egress side. */
export type IngressKind = 'clsact' | 'ingress';

export interface IngressQdisc {
  readonly ifindex: number;
  readonly kind: IngressKind;
  /** Whether other links share its filters (`tc qdisc add … ingress_block N`). */
  readonly isShared: boolean;
}

const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const RTM_GETQDISC = 38;
export const TCMSG_BYTES = 20;
export const TCA_KIND = 1;
const TCA_INGRESS_BLOCK = 13;
/**
 * Parent of ingress and clsact, and the handle that both have by definition (linux/pkt_sched.h).
 */
const TC_H_CLSACT = 0xfffffff1;
const INGRESS_HANDLE = 0xffff0000;

/** struct tcmsg. */
export const tcmsg = (ifindex: number, parent: number, handle: number, info = 0): Words => [
  0,
  ifindex,
  handle,
  parent,
  info,
];

/** What is kept of the qdiscs' replies. */
export const INGRESS_KEEP: Keep = {
  limit: 4 * 1024 * 1024, // some 70,000 qdiscs
  types: [TCA_KIND, TCA_INGRESS_BLOCK],
  body: TCMSG_BYTES,
};

/** Queries the ingress qdiscs of all links. */
export const ingressQdiscs: Query<readonly IngressQdisc[]> = {
  request: { type: RTM_GETQDISC, flags: NLM_F_DUMP, body: tcmsg(0, 0, 0) },
  keep: INGRESS_KEEP,
  isList: true,
  isUsefulInPart: true,
  decode: (replies) =>
    replies.filter(({ body }) => body.readUInt32LE(12) === TC_H_CLSACT).map(decodeIngressQdisc),
};

function decodeIngressQdisc({ body }: Message): IngressQdisc {
  const attributes = decodeAttributes(body, TCMSG_BYTES);
  return {
    ifindex: body.readInt32LE(4),
    kind: readText(attributes, TCA_KIND) === 'ingress' ? 'ingress' : 'clsact',
    isShared: readBytes(attributes, TCA_INGRESS_BLOCK) !== undefined,
  };
}

/** `tc qdisc add dev L clsact` */
export function clsactAddition(ifindex: number): Request {
  return { type: RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_EXCL, body: encodeClsact(ifindex) };
}

/** `tc qdisc del dev L clsact`, with all filters in it. */
export function clsactDeletion(ifindex: number): Request {
  return { type: RTM_DELQDISC, flags: 0, body: encodeClsact(ifindex) };
}

const encodeClsact = (ifindex: number): Words => [
  ...tcmsg(ifindex, TC_H_CLSACT, INGRESS_HANDLE),
  ...text(TCA_KIND, 'clsact'),
];
