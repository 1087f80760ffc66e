import { fitting } from '../fitting.ts';

/**
 * Codes of the options that the server reads or writes.
 *
 * Source: RFC 8415 §21, RFC 3646 (DNS), RFC 5908 (NTP)
 */
export const OPTION = {
  clientId: 1,
  serverId: 2,
  iaNa: 3,
  iaTa: 4,
  address: 5,
  requested: 6,
  preference: 7,
  status: 13,
  rapidCommit: 14,
  dnsServers: 23,
  searchList: 24,
  iaPd: 25,
  ntpServer: 56,
} as const;

/** Status codes that the server sends (RFC 8415 §21.13). */
export const STATUS = { Success: 0, NoAddrsAvail: 2, NotOnLink: 4, NoPrefixAvail: 6 } as const;

export interface Option {
  readonly code: number;
  readonly content: Buffer;
}

/** An option to send. It is left out if it has no items. */
export interface NewOption {
  readonly code: number;
  /** Most important first, because the last ones are left out of a message that is full. */
  readonly items: readonly Buffer[];
}

const HEADER_BYTES = 4;

/** Decodes options that fill these bytes; null if the last one does not end with them. */
export function decodeOptions(bytes: Buffer): Option[] | null {
  const options: Option[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at + HEADER_BYTES;
    if (start > bytes.length) return null;
    const end = start + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) return null;
    options.push({ code: bytes.readUInt16BE(at), content: bytes.subarray(start, end) });
    at = end;
  }
  return options;
}

/** Encodes options, most important first, as far as they fit into a number of bytes. */
export function encodeOptions(options: readonly NewOption[], room: number): Buffer {
  let left = room;
  const parts = options.flatMap(({ code, items }) => {
    const content = fitting(items, left - HEADER_BYTES);
    if (content.length === 0) return [];
    const option = encodeOption(code, content);
    left -= option.length;
    return [option];
  });
  return Buffer.concat(parts);
}

/** @param content at most 65,535 bytes in all */
export function encodeOption(code: number, content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content);
  return Buffer.concat([u16(code), u16(bytes.length), bytes]);
}

export const statusOption = (status: keyof typeof STATUS): NewOption => ({
  code: OPTION.status,
  items: [u16(STATUS[status])],
});

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
