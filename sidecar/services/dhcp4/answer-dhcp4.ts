import { SERVER_IPV4 } from '../../../shared/guest-services.ts';
import { type Answer, type Silence, silence } from '../answer.ts';
import type { GuestIpv4, GuestNetwork } from '../guest-network.ts';
import { TYPE } from './codes.ts';
import { decodeRequest, encodeReply, type Request } from './message.ts';
import { configuration, lease, refusal } from './reply-content.ts';

/** Names of the replies. */
export const OFFER = 'OFFER';
export const ACK = 'ACK';
export const NAK = 'NAK';

/**
 * Answers a message of the guest. The guest has one address, that of the pod, so that the server
 * needs no state. It assigns the address to any MAC address: only the guest is on the tap, and its
 * firmware, or a bond in it, may have another one.
 *
 * Source: RFC 2131 §4.3
 */
export function answerDhcp4(request: Buffer, network: GuestNetwork): Answer {
  if (network.ipv4 === null) return silence('there is no IPv4 address for the guest');
  const decoded = decodeRequest(request);
  return typeof decoded === 'string' ? silence(decoded) : answer(decoded, network, network.ipv4);
}

/**
 * Returns the address that a client already has, to which a reply can be sent in addition to the
 * broadcast; null if it has none, or the message is not valid.
 */
export function clientOf(request: Buffer): string | null {
  const decoded = decodeRequest(request);
  return typeof decoded === 'string' ? null : decoded.clientAddress;
}

function answer(request: Request, network: GuestNetwork, ipv4: GuestIpv4): Answer {
  switch (request.type) {
    case TYPE.discover:
      return request.isRapid ? ack(request, network, ipv4) : offer(request, network, ipv4);
    case TYPE.request:
      return answerRequest(request, network, ipv4);
    case TYPE.inform:
      return {
        reply: encodeReply(request, configuration(request, network, ipv4)),
        name: ACK,
        assigned: null,
      };
    case TYPE.decline:
      return toOtherServer(request) ?? silence('another host uses the address of the guest');
    case TYPE.release:
      return toOtherServer(request) ?? silence('it releases the address', true);
    case TYPE.offer:
    case TYPE.ack:
    case TYPE.nak:
      return silence('it is a message of a server');
    default:
      return silence('its type is unknown');
  }
}

/**
 * Answers a REQUEST in each state of a client. One that selects an offer names its server. One that
 * starts again asks for the address of before. One that renews its lease has the address.
 *
 * Source: RFC 2131 §4.3.2
 */
function answerRequest(request: Request, network: GuestNetwork, ipv4: GuestIpv4): Answer {
  const { requestedAddress, clientAddress } = request;
  const elsewhere = toOtherServer(request);
  if (elsewhere !== null) return elsewhere;
  const wanted = [requestedAddress, clientAddress].filter((address) => address !== null);
  if (wanted.length === 0) return silence('it requests no address');
  if (wanted.every((address) => address === ipv4.address)) return ack(request, network, ipv4);
  return { reply: encodeReply(request, refusal(request)), name: NAK, assigned: null };
}

const offer = (request: Request, network: GuestNetwork, ipv4: GuestIpv4): Answer => ({
  reply: encodeReply(request, lease(request, network, ipv4, TYPE.offer)),
  name: OFFER,
  assigned: null,
});

const ack = (request: Request, network: GuestNetwork, ipv4: GuestIpv4): Answer => ({
  reply: encodeReply(request, lease(request, network, ipv4, TYPE.ack)),
  name: ACK,
  assigned: [ipv4.address],
});

/** Null if the message is for this server, or does not say for which. */
const toOtherServer = ({ server }: Request): Silence | null =>
  server === null || server === SERVER_IPV4 ? null : silence('it names another server', true);
