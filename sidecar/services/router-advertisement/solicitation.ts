import { ADVERTISEMENT_ID } from '../../../shared/guest-services.ts';
import { OPTION_UNIT } from './options.ts';

const ECHO_REPLY = 129;
const HEADER_BYTES = 8;

/**
 * Whether a message to the ping socket is a valid router solicitation. The kernel has checked the
 * hop limit and made it an echo reply with the identifier of the socket.
 *
 * Source: RFC 4861 §6.1.1
 * @param message from the ICMPv6 header on
 */
export function isSolicitation(message: Buffer): boolean {
  if (message.length < HEADER_BYTES) return false;
  const [type, code] = message;
  return (
    type === ECHO_REPLY &&
    code === 0 &&
    message.readUInt16BE(4) === ADVERTISEMENT_ID &&
    areOptions(message.subarray(HEADER_BYTES))
  );
}

function areOptions(bytes: Buffer): boolean {
  let at = 0;
  while (at < bytes.length) {
    const units = bytes[at + 1] ?? 0;
    if (units === 0) return false;
    at += units * OPTION_UNIT;
  }
  return at === bytes.length;
}
