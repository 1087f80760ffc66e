/**
 * Options of neighbour discovery, in units of eight bytes.
 *
 * Source: RFC 4861 §4.6, RFC 4191 §2.3 (routes), RFC 8106 §5 (DNS)
 */
import { parseAddress } from '../../../shared/rtnetlink/address.ts';

/** The length of each option in bytes is a multiple of this. */
export const OPTION_UNIT = 8;
const [PREFIX, MTU, ROUTE, DNS_SERVERS, SEARCH_LIST, SOURCE] = [3, 5, 24, 25, 31, 253];
/** Bytes of an option of DNS before its list. */
export const DNS_HEADER_BYTES = 8;
/** Says that the guest reaches the prefix without a router, but takes no address from it. */
const ON_LINK = 0x80;

/** @param body without type and length; padded with zeros */
function newOption(type: number, body: Buffer): Buffer {
  const units = Math.ceil((2 + body.length) / OPTION_UNIT);
  const option = Buffer.alloc(units * OPTION_UNIT);
  option.set([type, units]);
  option.set(body, 2);
  return option;
}

/** Numbers of one, two or four bytes, in network byte order. */
function numbers(...sized: readonly (readonly [bytes: 1 | 2 | 4, value: number])[]): Buffer {
  return Buffer.concat(
    sized.map(([bytes, value]) => {
      const number = Buffer.alloc(bytes);
      number.writeUIntBE(value, 0, bytes);
      return number;
    }),
  );
}

/** The experimental option in which the sidecar tells the kernel the source of an advertisement. */
export const sourceOption = (router: string): Buffer =>
  newOption(SOURCE, Buffer.concat([Buffer.alloc(6), parseAddress(router)]));

export const mtuOption = (mtu: number): Buffer => newOption(MTU, numbers([2, 0], [4, mtu]));

/** @param seconds for which the guest reaches the prefix without a router */
export function prefixOption(prefix: string, seconds: number): Buffer {
  const { length, address } = parsePrefix(prefix);
  const head = numbers([1, length], [1, ON_LINK], [4, seconds], [4, seconds], [4, 0]);
  return newOption(PREFIX, Buffer.concat([head, address]));
}

/** @param seconds for which the destination is behind the router */
export function routeOption(destination: string, seconds: number): Buffer {
  const { length, address } = parsePrefix(destination);
  const head = numbers([1, length], [1, 0], [4, seconds]);
  return newOption(ROUTE, Buffer.concat([head, address.subarray(0, Math.ceil(length / 64) * 8)]));
}

export const dnsServersOption = (servers: readonly Buffer[], seconds: number): Buffer =>
  newOption(DNS_SERVERS, Buffer.concat([numbers([2, 0], [4, seconds]), ...servers]));

/** @param domains encoded */
export const searchListOption = (domains: readonly Buffer[], seconds: number): Buffer =>
  newOption(SEARCH_LIST, Buffer.concat([numbers([2, 0], [4, seconds]), ...domains]));

function parsePrefix(prefix: string): { readonly length: number; readonly address: Buffer } {
  const [address = '', length] = prefix.split('/');
  return { length: Number(length), address: parseAddress(address) };
}
