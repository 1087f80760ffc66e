import { encodeDomain } from '../domain-name.ts';
import { fitting } from '../fitting.ts';
import type { GuestNetwork } from '../guest-network.ts';
import { ipv6ServersOf } from '../ipv6-servers.ts';
import {
  DNS_HEADER_BYTES,
  dnsServersOption,
  mtuOption,
  OPTION_UNIT,
  prefixOption,
  routeOption,
  searchListOption,
  sourceOption,
} from './options.ts';

/** Seconds for which a guest uses a default router after an advertisement (RFC 4861 §6.2.1). */
export const ROUTER_LIFETIME = 1800;

const ECHO_REQUEST = 128;
/** Length of what precedes the options, in an echo request as in an advertisement. */
const HEADER_BYTES = 16;
const LIFETIME_OFFSET = 6;
const IPV6_HEADER_BYTES = 40;
/** Bytes of a packet that passes every link (RFC 8200 §5). */
const MAX_PACKET = 1280;

/**
 * Encodes an echo request that the kernel makes a router advertisement of. The kernel writes the
 * identifier, which becomes the hop limit and the flags, and the source, which it copies from the
 * first option. What does not fit into a packet is left out, search domains first. The MAC address
 * of the router is missing, because the guest must ask the router itself.
 *
 * Source: RFC 4861 §4.2, RFC 4191, RFC 8106
 * @param router a link-local address
 * @param lifetime seconds for which it is a default router; 0: not at all
 * @param validity seconds for which the options are valid; 0: the guest forgets what they say
 */
export function encodeAdvertisement(
  router: string,
  lifetime: number,
  network: GuestNetwork,
  validity: number = ROUTER_LIFETIME,
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(ECHO_REQUEST);
  header.writeUInt16BE(lifetime, LIFETIME_OFFSET);
  const source = sourceOption(router);
  const packet = Math.floor(Math.min(network.mtu, MAX_PACKET) / OPTION_UNIT) * OPTION_UNIT;
  const room = packet - IPV6_HEADER_BYTES - header.length - source.length;
  return Buffer.concat([header, source, encodeOptions(network, validity, room)]);
}

/** The options, most important first, as far as they fit into a number of bytes. */
function encodeOptions(
  { mtu, ipv6, nameservers, searchDomains }: GuestNetwork,
  validity: number,
  room: number,
) {
  const reachable = fitting(
    [
      mtuOption(mtu),
      ...(ipv6?.onLink ?? []).map((prefix) => prefixOption(prefix, validity)),
      ...(ipv6?.routes ?? []).map((destination) => routeOption(destination, validity)),
    ],
    room,
  );
  const lists = [
    { items: ipv6ServersOf(nameservers), encode: dnsServersOption },
    { items: searchDomains.flatMap((name) => encodeDomain(name) ?? []), encode: searchListOption },
  ];
  let options = Buffer.concat(reachable);
  for (const { items, encode } of lists) {
    // The room is a multiple of eight bytes, so the padding fits as well.
    const fit = fitting(items, room - options.length - DNS_HEADER_BYTES);
    if (fit.length > 0) options = Buffer.concat([options, encode(fit, validity)]);
  }
  return options;
}
