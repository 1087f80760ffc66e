import { isIPv4 } from 'node:net';
import { SERVER_IPV4 } from '../../../shared/guest-services.ts';
import { parseAddress } from '../../../shared/rtnetlink/address.ts';
import type { GuestIpv4, GuestNetwork, VmiDhcpOptions } from '../guest-network.ts';
import { isPrivate, OPTION, TYPE } from './codes.ts';
import { HEADER, type ReplyContent, type Request } from './message.ts';
import { networkOptions, word } from './network-options.ts';
import { addOptions, type Options } from './options.ts';

/** Seconds of a lease. Finite, so that a guest notices in time that its network has changed. */
const LEASE = 3600;
/** The parts of a lease after which a client renews it. Source: RFC 2131 §4.4.5 */
const RENEWAL = 0.5;
const REBINDING = 0.875;

/** Bytes of an IP packet that every client accepts. Source: RFC 2131 §2 */
const MIN_PACKET = 576;
/** The MTU of an Ethernet: a client with larger buffers need not cope with fragments. */
const MAX_PACKET = 1500;
const IP_AND_UDP = 28;
/** Bytes of the field, without the NUL that ends the name. */
const MAX_BOOT_FILE = 127;

/**
 * Options that clients get without asking, the most important first. udhcpc uses routes, but does
 * not ask for them.
 */
const UNASKED = [
  OPTION.subnetMask,
  OPTION.router,
  OPTION.nameservers,
  OPTION.mtu,
  OPTION.routes,
  OPTION.domain,
  OPTION.hostname,
];

const EMPTY = Buffer.alloc(0);

/** What a NAK says. */
export const refusal = (request: Request): ReplyContent => ({
  clientAddress: null,
  assigned: null,
  bootServer: null,
  bootFile: EMPTY,
  options: identity(request, TYPE.nak),
});

/** What the reply to INFORM says: the guest has an address, and wants to know the rest. */
export const configuration = (request: Request, network: GuestNetwork, ipv4: GuestIpv4): ReplyContent => ({
  clientAddress: request.clientAddress,
  assigned: null,
  ...contentOf(request, network, ipv4, identity(request, TYPE.ack)),
});

/** What a reply says that offers or assigns the address. */
export const lease = (
  request: Request,
  network: GuestNetwork,
  ipv4: GuestIpv4,
  type: typeof TYPE.offer | typeof TYPE.ack,
): ReplyContent => ({
  clientAddress: type === TYPE.ack ? request.clientAddress : null,
  assigned: ipv4.address,
  ...contentOf(
    request,
    network,
    ipv4,
    new Map([
      ...identity(request, type),
      [OPTION.leaseTime, word(LEASE)],
      [OPTION.renewalTime, word(LEASE * RENEWAL)],
      [OPTION.rebindingTime, word(LEASE * REBINDING)],
      ...(request.type === TYPE.discover && type === TYPE.ack
        ? ([[OPTION.rapidCommit, EMPTY]] as const)
        : []),
    ]),
  ),
});

/**
 * The options of each reply. The client's identifier is one of them, so that clients that share a
 * MAC address can tell their replies apart.
 *
 * Source: RFC 2131 §4.3.1, table 3; RFC 6842
 */
const identity = ({ clientId }: Request, type: number): Options =>
  new Map([
    [OPTION.messageType, Buffer.from([type])],
    [OPTION.server, parseAddress(SERVER_IPV4)],
    ...(clientId === null ? [] : ([[OPTION.clientId, clientId]] as const)),
  ]);

/**
 * Adds what a guest is told of its network: without asking, then in the order in which it asks, or
 * all if it sends no list. Private options come last and unasked, as from KubeVirt: the VMI sets
 * them because the guest uses them, and many clients cannot ask for them.
 */
function contentOf(
  request: Request,
  network: GuestNetwork,
  ipv4: GuestIpv4,
  present: Options,
): Pick<ReplyContent, 'bootServer' | 'bootFile' | 'options'> {
  const values = networkOptions(network, ipv4);
  const codes = [...values.keys()];
  const isUnasked = (code: number): boolean => isPrivate(code) && code !== OPTION.microsoftRoutes;
  const wanted = [...UNASKED, ...(request.parameters ?? codes), ...codes.filter(isUnasked)];
  return {
    ...bootFields(request, network.options),
    options: addOptions(present, values, wanted, spaceFor(request, network)),
  };
}

/** Bytes of options that the client accepts, and that pass the link without fragments. */
function spaceFor({ maxPacket }: Request, { mtu }: GuestNetwork): number {
  const packet = Math.min(maxPacket ?? MIN_PACKET, mtu, MAX_PACKET);
  return Math.max(packet, MIN_PACKET) - IP_AND_UDP - HEADER;
}

/**
 * The boot server and file in the fields of BOOTP, where firmware looks for them before it looks at
 * the options. Only for a client that asks for one of them, or is firmware.
 *
 * Source: RFC 2131 §2; for the class, Intel's Preboot Execution Environment 2.1
 */
function bootFields(
  { parameters, vendorClass }: Request,
  { tftpServerName, bootFileName }: VmiDhcpOptions,
): Pick<ReplyContent, 'bootServer' | 'bootFile'> {
  const isAsked = [OPTION.tftpServer, OPTION.bootFile].some((code) => parameters?.includes(code));
  if (!isAsked && !vendorClass.startsWith('PXEClient')) return { bootServer: null, bootFile: EMPTY };
  const file = Buffer.from(bootFileName);
  return {
    bootServer: isIPv4(tftpServerName) ? tftpServerName : null,
    bootFile: file.length <= MAX_BOOT_FILE ? file : EMPTY,
  };
}
