/** DHCPv6 messages of a guest, and how they are decoded (RFC 8415). All bytes are hex. */
import { addressHex, u16 } from '../pod/packets.ts';

export const CLIENT = {
  Solicit: 1,
  Request: 3,
  Confirm: 4,
  Renew: 5,
  Rebind: 6,
  Release: 8,
  Decline: 9,
  'Information-request': 11,
} as const;

export const CLIENT_DUID = '00030001020000000001';
export const SERVER_DUID = '00045b0d7a8f3c5e4e5c9a616f0c27d1e8b4';
export const TRANSACTION = 'abcdef';

export const option = (code: number, content = ''): string =>
  `${u16(code)}${u16(content.length / 2)}${content}`;

export const CLIENT_ID = option(1, CLIENT_DUID);
export const SERVER_ID = option(2, SERVER_DUID);
export const RAPID_COMMIT = option(14);
export const requesting = (...codes: readonly number[]): string => option(6, codes.map(u16).join(''));

const listed = (addresses: readonly string[]): string =>
  addresses.map((address) => option(5, `${addressHex(address)}${'00'.repeat(8)}`)).join('');

/** @param id eight digits */
export const iaNa = (id: string, ...addresses: readonly string[]): string =>
  option(3, `${id}${'00'.repeat(8)}${listed(addresses)}`);
export const iaTa = (id: string, ...addresses: readonly string[]): string =>
  option(4, `${id}${listed(addresses)}`);
export const iaPd = (id: string): string => option(25, `${id}${'00'.repeat(8)}`);

export const message = (type: number, ...options: readonly string[]): Buffer =>
  Buffer.from(`${type.toString(16).padStart(2, '0')}${TRANSACTION}${options.join('')}`, 'hex');

/** Options as `code content`; those of identifiers, which all replies have, are missing. */
export interface Decoded {
  readonly type: number;
  readonly transaction: string;
  readonly clientId: string | undefined;
  readonly serverId: string | undefined;
  readonly options: readonly string[];
}

export function decoded(reply: Buffer): Decoded {
  const options = optionsOf(reply.toString('hex').slice(8));
  const contentOf = (code: number) => options.find(([one]) => one === code)?.[1];
  return {
    type: reply.readUInt8(0),
    transaction: reply.toString('hex', 1, 4),
    clientId: contentOf(1),
    serverId: contentOf(2),
    options: options.filter(([code]) => code > 2).map(([code, content]) => `${code} ${content}`),
  };
}

/** Fails if the last option does not end with the bytes. */
export function optionsOf(hex: string): [code: number, content: string][] {
  if (hex === '') return [];
  const [code, bytes] = [Number.parseInt(hex.slice(0, 4), 16), Number.parseInt(hex.slice(4, 8), 16)];
  const end = 8 + 2 * bytes;
  if (!(end <= hex.length)) throw new Error(`Cannot decode options "${hex}"`);
  return [[code, hex.slice(8, end)], ...optionsOf(hex.slice(end))];
}
