import { parseAddress } from '../../../shared/rtnetlink/address.ts';
import { type Answer, type Reply, type Silence, silence } from '../answer.ts';
import type { GuestIpv6, GuestNetwork } from '../guest-network.ts';
import { answerAssociations } from './associations.ts';
import { configurationOf } from './configuration.ts';
import { type ClientMessage, type ClientMessageType, decodeMessage } from './message.ts';
import { encodeOptions, type NewOption, OPTION, statusOption } from './options.ts';

/**
 * DUID of the server, on every tap of every node: a migrated guest names it when it renews, and the
 * servers answer as one. It is a UUID (RFC 6355), because no network device belongs to the server.
 */
const SERVER_DUID = Buffer.from('00045b0d7a8f3c5e4e5c9a616f0c27d1e8b4', 'hex');
/** Length in bytes of the longest reply, which passes every link with its headers (RFC 8200 §5). */
const MAX_REPLY = 1280 - 40 - 8;
/** Number of addresses that are served, so that a reply has room for more than addresses. */
const MAX_ADDRESSES = 16;

/** Types of the messages that the server sends (RFC 8415 §7.3). */
const REPLIES = { Advertise: 2, Reply: 7 } as const;
const HEADER_BYTES = 4;
/** The greatest preference: the client need not wait for other servers. */
const PREFERENCE = Buffer.of(255);

/** Whether a message has to name a server, or must not name one (RFC 8415 §16). */
const SERVER_ID: Readonly<Record<ClientMessageType, 'required' | 'forbidden' | 'allowed'>> = {
  Solicit: 'forbidden',
  Request: 'required',
  Confirm: 'forbidden',
  Renew: 'required',
  Rebind: 'forbidden',
  Release: 'required',
  Decline: 'required',
  'Information-request': 'allowed',
};

/**
 * Answers a message of the guest to all DHCPv6 servers. The caller sends the reply to the source of
 * the message. The server has no state: each server of the VM, before and after a migration, gives
 * the addresses of its pod and withdraws others.
 *
 * Source: RFC 8415 §16, §18.3
 */
export function answerDhcp6(request: Buffer, network: GuestNetwork): Answer {
  if (network.ipv6 === null) return silence('the pod has no IPv6 address for the guest', true);
  const message = decodeMessage(request);
  if (message === 'malformed') return silence('it is malformed');
  if (message === 'foreign') return silence('clients do not send this type of message');
  return refusalOf(message) ?? replyTo(message, network, network.ipv6);
}

/** Null if the message is valid, and for this server. */
function refusalOf({ type, clientId, serverId, associations }: ClientMessage): Silence | null {
  const rule = SERVER_ID[type];
  if (serverId === null && rule === 'required') return silence('it does not name a server');
  if (serverId !== null && rule === 'forbidden') return silence('it names a server, but is for all servers');
  if (serverId !== null && !serverId.equals(SERVER_DUID)) return silence('it names another server', true);
  if (type === 'Information-request') {
    return associations.length > 0 ? silence('it is for information, but asks for addresses') : null;
  }
  return clientId === null ? silence('it has no valid client identifier') : null;
}

function replyTo(message: ClientMessage, network: GuestNetwork, { addresses }: GuestIpv6): Answer {
  const served = addresses.slice(0, MAX_ADDRESSES);
  switch (message.type) {
    case 'Solicit':
      return message.wantsRapidCommit
        ? lease(message, 'Reply', network, served, { code: OPTION.rapidCommit, items: [Buffer.alloc(0)] })
        : lease(message, 'Advertise', network, served, { code: OPTION.preference, items: [PREFERENCE] });
    case 'Request':
    case 'Renew':
    case 'Rebind':
      return lease(message, 'Reply', network, served);
    case 'Confirm':
      return confirm(message, served);
    case 'Release':
      return newReply(message, 'Reply', [statusOption('Success')]);
    case 'Decline':
      return {
        ...newReply(message, 'Reply', [statusOption('Success')]),
        warning: 'another host uses an address of the guest',
      };
    case 'Information-request':
      return newReply(message, 'Reply', configurationOf(network, message.requested));
  }
}

/** Offers or gives the addresses. The configuration matters more than the IAs that get nothing. */
function lease(
  message: ClientMessage,
  name: keyof typeof REPLIES,
  network: GuestNetwork,
  served: readonly string[],
  ...flags: readonly NewOption[]
): Reply {
  const { type, associations, requested } = message;
  const withdrawsOthers = type === 'Renew' || type === 'Rebind';
  const grant = { addresses: served.map(parseAddress), withdrawsOthers };
  const answers = answerAssociations(associations, grant);
  const configuration = configurationOf(network, requested);
  const isAssigned = name === 'Reply' && associations.some(({ kind }) => kind === 'iaNa');
  return newReply(
    message,
    name,
    [...flags, ...answers.slice(0, 1), ...configuration, ...answers.slice(1)],
    isAssigned ? served : null,
  );
}

/** Source: RFC 8415 §18.3.3 */
function confirm(message: ClientMessage, served: readonly string[]): Answer {
  const own = served.map(parseAddress);
  const listed = message.associations.flatMap(({ addresses }) => addresses);
  if (listed.length === 0) return silence('it lists no addresses', true);
  const areOwn = listed.every((address) => own.some((one) => one.equals(address)));
  return newReply(message, 'Reply', [statusOption(areOwn ? 'Success' : 'NotOnLink')]);
}

function newReply(
  { transactionId, clientId }: ClientMessage,
  name: keyof typeof REPLIES,
  options: readonly NewOption[],
  assigned: readonly string[] | null = null,
): Reply {
  const identifiers = [
    { code: OPTION.clientId, items: clientId === null ? [] : [clientId] },
    { code: OPTION.serverId, items: [SERVER_DUID] },
  ];
  const encoded = encodeOptions([...identifiers, ...options], MAX_REPLY - HEADER_BYTES);
  return { reply: Buffer.concat([Buffer.of(REPLIES[name]), transactionId, encoded]), name, assigned };
}
