import { isIPv4 } from 'node:net';
import { parseAddress } from '../../../shared/rtnetlink/address.ts';
import { encodeDomain } from '../domain-name.ts';
import type { GuestIpv4, GuestNetwork } from '../guest-network.ts';
import { encodeRoutes, routerOf } from './classless-routes.ts';
import { isPrivate, OPTION } from './codes.ts';
import type { Options } from './options.ts';
import { encodeSearchList } from './search-list.ts';

const MAX_TEXT = 255;
const MIN_MTU = 68;
const MAX_MTU = 65_535;

/**
 * Encodes what a guest is told of its network, without the options that belong to its lease. Each
 * option is there only if it has a value. An option that the VMI sets replaces ours.
 *
 * Source: RFC 2132; kubevirt pkg/network/dhcp/server/server.go, prepareDHCPOptions
 */
export function networkOptions(network: GuestNetwork, ipv4: GuestIpv4): Options {
  const { options } = network;
  const router = routerOf(ipv4.routes);
  const routes = encodeRoutes(ipv4);
  const all: readonly (readonly [code: number, value: Buffer | null])[] = [
    [OPTION.subnetMask, word(maskOf(ipv4))],
    [OPTION.router, router === null ? null : addresses([router])],
    [OPTION.nameservers, addresses(network.nameservers)],
    [OPTION.hostname, text(network.hostname)],
    [OPTION.domain, domainOf(network)],
    [OPTION.mtu, mtuOf(network)],
    [OPTION.routes, routes],
    [OPTION.searchDomains, encodeSearchList(network.searchDomains)],
    [OPTION.microsoftRoutes, routes],
    [OPTION.broadcastAddress, broadcastOf(ipv4)],
    [OPTION.ntpServers, addresses(options.ntpServers)],
    [OPTION.tftpServer, text(options.tftpServerName)],
    [OPTION.bootFile, text(options.bootFileName)],
    ...options.privateOptions
      .filter(({ option }) => Number.isInteger(option) && isPrivate(option))
      .map(({ option, value }) => [option, Buffer.from(value)] as const),
  ];
  return new Map(all.flatMap(([code, value]) => (value === null ? [] : [[code, value] as const])));
}

/** Null if none of them is an address of IPv4: an option without whole addresses breaks clients. */
function addresses(texts: readonly string[]): Buffer | null {
  const valid = texts.filter((address) => isIPv4(address));
  return valid.length === 0 ? null : Buffer.concat(valid.map(parseAddress));
}

function text(value: string): Buffer | null {
  const bytes = Buffer.from(value);
  return bytes.length > 0 && bytes.length <= MAX_TEXT ? bytes : null;
}

const domainOf = ({ domain }: GuestNetwork): Buffer | null =>
  domain === null || encodeDomain(domain) === null ? null : text(domain);

function mtuOf({ mtu }: GuestNetwork): Buffer | null {
  if (mtu < MIN_MTU || mtu > MAX_MTU) return null;
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(mtu);
  return bytes;
}

/** The mask of the prefix, as a number of 32 bits. */
const maskOf = ({ prefixLength }: GuestIpv4): number => 2 ** 32 - 2 ** (32 - prefixLength);

/** A prefix of 31 or 32 bits has no broadcast address. Source: RFC 3021 */
function broadcastOf(ipv4: GuestIpv4): Buffer | null {
  if (ipv4.prefixLength > 30) return null;
  return word((parseAddress(ipv4.address).readUInt32BE() | ~maskOf(ipv4)) >>> 0);
}

/** Four bytes in network byte order. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
