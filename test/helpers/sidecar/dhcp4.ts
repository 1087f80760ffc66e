/** A guest's messages of DHCPv4, and a reader of replies that shares no code with the server. */
import type { GuestNetwork } from '../../../sidecar/services/guest-network.ts';
import { NO_DHCP_OPTIONS } from '../../../sidecar/services/guest-network.ts';

/** The pod of the tests: a usual one, with all that a guest can be told. */
export const GUEST_NETWORK: GuestNetwork = {
  mtu: 1450,
  hostname: 'vm1',
  domain: 'vms.svc.cluster.local',
  searchDomains: ['vms.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
  nameservers: ['10.96.0.10', 'fd00::10'],
  ipv4: {
    address: '10.50.0.7',
    prefixLength: 24,
    routes: [{ destination: 'default', gateway: '10.50.0.1' }],
  },
  ipv6: null,
  options: NO_DHCP_OPTIONS,
};

export interface GuestMessage {
  /** Value of option 53; null for a message of BOOTP. */
  readonly type: number | null;
  /** Options after 53, in hexadecimal. */
  readonly options?: readonly (readonly [code: number, hex: string])[];
  readonly ciaddr?: readonly number[];
  /** Bytes to overwrite in the whole message. */
  readonly patch?: readonly (readonly [at: number, hex: string])[];
}

const MAC = '020000000001';
export const SERVER_HEX = 'a9fe4b0a';
export const POD_HEX = '0a320007';

/** A message of a guest: transaction 12345678, with the flag for broadcast. */
export function guestMessage({ type, options = [], ciaddr = [], patch = [] }: GuestMessage): Buffer {
  const header = Buffer.alloc(240);
  header.set([1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 9, 0x80, 0]);
  header.set(ciaddr, 12);
  header.set(Buffer.from(MAC, 'hex'), 28);
  header.set([0x63, 0x82, 0x53, 0x63], 236);
  const all = [...(type === null ? [] : [[53, type.toString(16).padStart(2, '0')] as const]), ...options];
  const parts = all.map(([code, hex]) => {
    const value = Buffer.from(hex, 'hex');
    return Buffer.concat([Buffer.from([code, value.length]), value]);
  });
  const message = Buffer.concat([header, ...parts, Buffer.from([255])]);
  for (const [at, hex] of patch) message.set(Buffer.from(hex, 'hex'), at);
  return message;
}

/** Fields in hexadecimal. */
export interface ReadReply {
  readonly ciaddr: string;
  readonly yiaddr: string;
  readonly siaddr: string;
  readonly file: string;
  /** Values by code, in the order of the message; parts of the same option are joined. */
  readonly options: ReadonlyMap<number, string>;
  /** Codes in the order of the message, once for each part. */
  readonly codes: readonly number[];
}

/** Reads a reply; throws if it is malformed. */
export function readReply(reply: Buffer | null): ReadReply {
  if (reply === null) throw new Error('There is no reply');
  const hex = (start: number, end: number) => reply.subarray(start, end).toString('hex');
  if (hex(236, 240) !== '63825363') throw new Error(`The cookie is ${hex(236, 240)}`);
  const options = new Map<number, string>();
  const codes: number[] = [];
  let at = 240;
  while (reply[at] !== 255) {
    const [code, length] = [reply.readUInt8(at), reply.readUInt8(at + 1)];
    if (at + 2 + length > reply.length) throw new Error(`Option ${code} is cut off`);
    options.set(code, (options.get(code) ?? '') + hex(at + 2, at + 2 + length));
    codes.push(code);
    at += 2 + length;
  }
  if (reply.subarray(at + 1).some((byte) => byte !== 0)) throw new Error('There are bytes after the end');
  return {
    ciaddr: hex(12, 16),
    yiaddr: hex(16, 20),
    siaddr: hex(20, 24),
    file: reply.toString('latin1', 108, 236).replace(/\0+$/, ''),
    options,
    codes,
  };
}
