import { formatAddress, parseAddress } from '../../../shared/rtnetlink/address.ts';
import { OPTION } from './codes.ts';
import { decodeOptions, encodeOptions, type Options } from './options.ts';

/** A message of a client. Addresses are text. */
export interface Request {
  readonly type: number;
  /** All bytes before the options. */
  readonly header: Buffer;
  /** Address that the client has (`ciaddr`); null if it has none. */
  readonly clientAddress: string | null;
  readonly requestedAddress: string | null;
  /** Address by which the client names a server; null if it names none. */
  readonly server: string | null;
  /** Codes of the options that the client asks for, in its order; null without a list. */
  readonly parameters: readonly number[] | null;
  /** Bytes of the largest IP packet that the client accepts; null if it does not say. */
  readonly maxPacket: number | null;
  readonly vendorClass: string;
  readonly clientId: Buffer | null;
  /** Whether the client accepts an ACK as the reply to DISCOVER. */
  readonly isRapid: boolean;
}

/** What a reply says, except the fields that it repeats from the request. */
export interface ReplyContent {
  /** `ciaddr`; null for none, as for the others. */
  readonly clientAddress: string | null;
  /** `yiaddr` */
  readonly assigned: string | null;
  /** `siaddr` */
  readonly bootServer: string | null;
  /** At most 127 bytes. */
  readonly bootFile: Buffer;
  readonly options: Options;
}

/** Bytes before the options; the last four of them are the cookie. */
export const HEADER = 240;
const COOKIE_AT = 236;
const COOKIE = 0x63825363;
const BOOTREQUEST = 1;
const BOOTREPLY = 2;
const ETHERNET = 1;
const MAC_BYTES = 6;
const NO_ADDRESS = '0.0.0.0';
/** BOOTP's least size of a message: some clients drop smaller ones. Source: RFC 951 §3 */
const MIN_REPLY = 300;
/** The longest that fits into one option. A longer one would leave no space for the rest. */
const MAX_CLIENT_ID = 255;

/** Options of which the length is fixed, in bytes. */
const LENGTHS: readonly (readonly [code: number, length: number])[] = [
  [OPTION.messageType, 1],
  [OPTION.requestedAddress, 4],
  [OPTION.server, 4],
  [OPTION.maxMessageSize, 2],
  [OPTION.rapidCommit, 0],
];

/**
 * Decodes a message of a client on an Ethernet; the reason if it is not one, as in `Silence`.
 *
 * Source: RFC 2131 §2
 */
export function decodeRequest(bytes: Buffer): Request | string {
  if (bytes.length < HEADER) return 'it is cut off';
  if (bytes[0] !== BOOTREQUEST) return 'it is not a request';
  if (bytes[1] !== ETHERNET || bytes[2] !== MAC_BYTES) return 'it is not from an Ethernet link';
  if (bytes.readUInt32BE(24) !== 0) return 'it passed a relay';
  if (bytes.readUInt32BE(COOKIE_AT) !== COOKIE) return 'it does not have the cookie of DHCP';
  const options = decodeOptions(bytes.subarray(HEADER));
  if (options === null) return 'its options are cut off';
  // Clients do not use it. The options in the other fields could change the meaning of these.
  if (options.has(OPTION.overload)) return 'it has options outside of their field';
  if (LENGTHS.some(([code, length]) => (options.get(code)?.length ?? length) !== length)) {
    return 'an option in it has a wrong length';
  }
  const type = options.get(OPTION.messageType)?.[0];
  if (type === undefined) return 'it is a message of BOOTP';
  const clientId = options.get(OPTION.clientId) ?? null;
  if (clientId !== null && clientId.length > MAX_CLIENT_ID) return 'its client identifier is too long';
  const parameters = options.get(OPTION.parameterList);
  const clientAddress = formatAddress(bytes.subarray(12, 16));
  return {
    type,
    header: bytes.subarray(0, HEADER),
    clientAddress: clientAddress === NO_ADDRESS ? null : clientAddress,
    requestedAddress: addressIn(options, OPTION.requestedAddress),
    server: addressIn(options, OPTION.server),
    parameters: parameters === undefined ? null : [...parameters],
    maxPacket: options.get(OPTION.maxMessageSize)?.readUInt16BE() ?? null,
    vendorClass: options.get(OPTION.vendorClass)?.toString('latin1') ?? '',
    clientId,
    isRapid: options.has(OPTION.rapidCommit),
  };
}

function addressIn(options: Options, code: number): string | null {
  const bytes = options.get(code);
  return bytes === undefined ? null : formatAddress(bytes);
}

/**
 * Encodes a reply, which repeats the transaction, flags and hardware address of the request.
 *
 * Source: RFC 2131 §4.3.1, table 3
 */
export function encodeReply({ header }: Request, content: ReplyContent): Buffer {
  const options = encodeOptions(content.options);
  const bytes = Buffer.alloc(Math.max(MIN_REPLY, HEADER + options.length));
  bytes.set([BOOTREPLY, ETHERNET, MAC_BYTES]);
  bytes.set(header.subarray(4, 8), 4);
  bytes.set(header.subarray(10, 12), 10);
  bytes.set(parseAddress(content.clientAddress ?? NO_ADDRESS), 12);
  bytes.set(parseAddress(content.assigned ?? NO_ADDRESS), 16);
  bytes.set(parseAddress(content.bootServer ?? NO_ADDRESS), 20);
  bytes.set(header.subarray(28, 44), 28);
  bytes.set(content.bootFile, 108);
  bytes.writeUInt32BE(COOKIE, COOKIE_AT);
  bytes.set(options, HEADER);
  return bytes;
}
