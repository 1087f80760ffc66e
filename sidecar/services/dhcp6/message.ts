import { decodeOptions, OPTION, type Option } from './options.ts';

/** A message of a client. */
export interface ClientMessage {
  readonly type: ClientMessageType;
  /** Three bytes. */
  readonly transactionId: Buffer;
  /** DUID of the client; null if the message has none, or one of a length that no DUID has. */
  readonly clientId: Buffer | null;
  /** DUID of the server that the message is for; null if it is for every server. */
  readonly serverId: Buffer | null;
  /** Whether the client asks for a reply without an advertisement before it. */
  readonly wantsRapidCommit: boolean;
  /** Codes of the options that the client asks for; null if it leaves that to the server. */
  readonly requested: ReadonlySet<number> | null;
  /** In the order of the message. */
  readonly associations: readonly Association[];
}

/** An IA: addresses or prefixes that a client manages together. */
export interface Association {
  readonly kind: AssociationKind;
  /** Four bytes, which the client has chosen. */
  readonly id: Buffer;
  /** Addresses that the client has or would like, 16 bytes each. */
  readonly addresses: readonly Buffer[];
}

export type AssociationKind = 'iaNa' | 'iaTa' | 'iaPd';

/** Types of messages that clients send (RFC 8415 §7.3). */
const TYPES = {
  1: 'Solicit',
  3: 'Request',
  4: 'Confirm',
  5: 'Renew',
  6: 'Rebind',
  8: 'Release',
  9: 'Decline',
  11: 'Information-request',
} as const;

export type ClientMessageType = (typeof TYPES)[keyof typeof TYPES];

const isClientType = (type: number): type is keyof typeof TYPES => Object.hasOwn(TYPES, type);

/** Bytes of a message before its options: type and transaction. */
const HEADER_BYTES = 4;
/** Bytes of an IA before its options: identifier and, but for IA_TA, T1 and T2. */
const ASSOCIATION_BYTES: Readonly<Record<AssociationKind, number>> = { iaNa: 12, iaTa: 4, iaPd: 12 };
const KINDS = new Map<number, AssociationKind>([
  [OPTION.iaNa, 'iaNa'],
  [OPTION.iaTa, 'iaTa'],
  [OPTION.iaPd, 'iaPd'],
]);
const ID_BYTES = 4;
const ADDRESS_BYTES = 16;
/** An address, and two lifetimes. */
const MIN_ADDRESS_OPTION = 24;
/** A DUID has a type of two bytes, then 1 to 128 bytes (RFC 8415 §11.1). */
const [MIN_DUID, MAX_DUID] = [3, 130];

/**
 * Decodes a message of a client.
 *
 * Source: RFC 8415 §8, §21
 * @returns `foreign` if clients do not send its type, such as a message of a relay
 */
export function decodeMessage(bytes: Buffer): ClientMessage | 'foreign' | 'malformed' {
  if (bytes.length < HEADER_BYTES) return 'malformed';
  const type = bytes.readUInt8(0);
  if (!isClientType(type)) return 'foreign';
  const options = decodeOptions(bytes.subarray(HEADER_BYTES));
  if (options === null) return 'malformed';
  const contentOf = (wanted: number) => options.find(({ code }) => code === wanted)?.content;
  const requested = decodeRequested(contentOf(OPTION.requested));
  const associations = decodeAssociations(options);
  if (requested === 'malformed' || associations === null) return 'malformed';
  const clientId = contentOf(OPTION.clientId) ?? null;
  return {
    type: TYPES[type],
    transactionId: bytes.subarray(1, HEADER_BYTES),
    clientId: clientId !== null && isDuid(clientId) ? clientId : null,
    serverId: contentOf(OPTION.serverId) ?? null,
    wantsRapidCommit: contentOf(OPTION.rapidCommit) !== undefined,
    requested,
    associations,
  };
}

const isDuid = ({ length }: Buffer): boolean => length >= MIN_DUID && length <= MAX_DUID;

function decodeRequested(content: Buffer | undefined): Set<number> | null | 'malformed' {
  if (content === undefined) return null;
  if (content.length % 2 !== 0) return 'malformed';
  return new Set(Array.from({ length: content.length / 2 }, (_, i) => content.readUInt16BE(2 * i)));
}

/** Null if one of them is malformed. */
function decodeAssociations(options: readonly Option[]): Association[] | null {
  const associations: Association[] = [];
  for (const { code, content } of options) {
    const kind = KINDS.get(code);
    if (kind === undefined) continue;
    const start = ASSOCIATION_BYTES[kind];
    const inner = content.length < start ? null : decodeOptions(content.subarray(start));
    if (inner === null) return null;
    const listed = inner.filter((option) => option.code === OPTION.address);
    if (listed.some((option) => option.content.length < MIN_ADDRESS_OPTION)) return null;
    const addresses = listed.map((option) => option.content.subarray(0, ADDRESS_BYTES));
    associations.push({ kind, id: content.subarray(0, ID_BYTES), addresses });
  }
  return associations;
}
