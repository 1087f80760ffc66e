import {
  CREATE_TAP,
  DELETE_LINK,
  EXCHANGE,
  EXCHANGE_AT_HOME,
  type NativePart,
  NFTABLES,
  PERSIST_TAP,
  WRITE_FILE,
} from '../native/parts.ts';
import { encodeRequests, NLM_F_ACK, type Request } from '../netlink/message.ts';
import { batch } from '../nftables/message.ts';
import { FILES, type Part } from './part.ts';

/** For an exchange whose reply is kept whole. */
const KEEP_ALL = new Uint32Array(0);

/** A part for the addon, and the number of the request that follows its own. */
export interface EncodedPart {
  readonly encoded: NativePart;
  readonly next: number;
}

/**
 * Encodes a part. Pure.
 *
 * @param seq number of its first request
 * @param netns descriptor of the netns; -1: that of this process
 */
export function encodePart(part: Part, seq: number, netns: number): EncodedPart {
  const numbered = (requests: readonly Request[], of: (encoded: Uint32Array) => NativePart): EncodedPart => ({
    encoded: of(encodeRequests(requests, seq)),
    next: seq + requests.length,
  });
  const plain = (encoded: NativePart): EncodedPart => ({ encoded, next: seq });
  switch (part.part) {
    case 'change':
      return numbered(part.requests.map(acknowledged), (encoded) => [EXCHANGE, encoded, KEEP_ALL]);
    case 'deleteLink':
      return numbered([acknowledged(part.deletion)], (encoded) => [DELETE_LINK, encoded]);
    case 'createTap': {
      const { ifname, ifindex, multiQueue, owner, group, labelled } = part.tap;
      const { label, helper } = labelled ?? { label: null, helper: null };
      return plain([CREATE_TAP, ifname, ifindex, multiQueue, owner ?? -1, group ?? -1, label, helper]);
    }
    case 'persistTap':
      return plain([PERSIST_TAP]);
    case 'nftables':
      return numbered(batch(part.requests), (encoded) => [NFTABLES, encoded]);
    case 'writeSysctl':
      return plain([WRITE_FILE, FILES.indexOf(part.sysctl), '', 0, part.value]);
    case 'setIpv6':
      return plain([WRITE_FILE, FILES.indexOf('disable_ipv6'), part.ifname, 0, part.on ? '0' : '1']);
    case 'changeAtHome':
      return numbered([acknowledged(part.request(netns))], (encoded) => [EXCHANGE_AT_HOME, encoded]);
  }
}

const acknowledged = (request: Request): Request => ({ ...request, flags: request.flags | NLM_F_ACK });
