/** Requests to the services for a guest that none of them may answer, and mutated valid ones. */
import type { Random } from '../fuzz.ts';
import {
  BROADCAST,
  ethernet,
  ICMPV6,
  icmpv6,
  ipv4,
  ipv6,
  UDP,
  u16,
  udp,
  udpOfIpv6,
  zeros,
} from './packets.ts';
import { GUEST_LINK_LOCAL, requestsOf, type Service } from './service-frames.ts';

export type Request = Extract<Service, 'DHCPv4 request' | 'DHCPv6 request' | 'router solicitation'>;

/** Offset in bytes of the content in each of `requestsOf`: behind UDP, or the header of ICMPv6. */
const CONTENT_AT = { 'DHCPv4 request': 42, 'DHCPv6 request': 62, 'router solicitation': 58 } as const;
const ORDER: readonly Request[] = ['DHCPv4 request', 'DHCPv6 request', 'router solicitation'];

const [TO_SERVERS, TO_ROUTERS] = [
  { from: GUEST_LINK_LOCAL, to: 'ff02::1:2' },
  { from: GUEST_LINK_LOCAL, to: 'ff02::2' },
];

/** A frame with this content, in hex: of UDP, or what follows the checksum of ICMPv6. */
function frameOf(kind: Request, mac: string, content: string): string {
  switch (kind) {
    case 'DHCPv4 request': {
      const ends = { from: '0.0.0.0', to: '255.255.255.255' };
      return ethernet(
        mac,
        BROADCAST,
        '0800',
        ipv4({ ...ends, protocol: UDP, payload: udp(68, 67, content) }),
      );
    }
    case 'DHCPv6 request': {
      const payload = udpOfIpv6(TO_SERVERS, 546, 547, content);
      return ethernet(mac, '33:33:00:01:00:02', '86dd', ipv6({ ...TO_SERVERS, next: UDP, payload }));
    }
    case 'router solicitation': {
      const payload = icmpv6(TO_ROUTERS, 133, content);
      return ethernet(mac, '33:33:00:00:00:02', '86dd', ipv6({ ...TO_ROUTERS, next: ICMPV6, payload }));
    }
  }
}

const contentOf = (kind: Request, mac: string): string =>
  (requestsOf(mac)[ORDER.indexOf(kind)] ?? '').slice(2 * CONTENT_AT[kind]);

/** One packet in many is huge, because they take long to send. */
const lengthOf = (random: Random): number => {
  if (random.oneIn(500)) return 9_000 + random.below(8_000);
  return random.oneIn(10) ? random.below(1_400) : random.below(64);
};

const garbage = (random: Random): string => random.bytes(lengthOf(random)).toString('hex');
const replace = (hex: string, at: number, bytes: string): string =>
  hex.slice(0, 2 * at) + bytes + hex.slice(2 * at + bytes.length);

/** Contents that are wrong for sure, by protocol. */
const MALFORMED: Readonly<Record<Request, readonly ((random: Random, valid: string) => string)[]>> = {
  'DHCPv4 request': [
    () => '',
    (random, valid) => valid.slice(0, 2 * random.below(240)),
    (random, valid) => replace(valid, 0, '02') + garbage(random),
    (random, valid) => replace(valid, 236, '00000000') + garbage(random),
    (random) => `00${garbage(random)}`,
    // An option that is longer than the message, behind others.
    (random, valid) => `${valid.slice(0, 2 * 243)}${'0c0161'.repeat(random.below(100))}39ff00`,
    (random, valid) => `${valid.slice(0, 2 * 243)}3402${zeros(2)}${garbage(random)}`,
  ],
  'DHCPv6 request': [
    () => '',
    (random, valid) => valid.slice(0, 2 * random.below(4)),
    (random, valid) => replace(valid, 0, '0e') + garbage(random),
    (random) => `ff${garbage(random)}`,
    (random, valid) => `${valid}${'00060002001'.concat('7').repeat(random.below(100))}0008ffff00`,
    // Without the client identifier.
    (random, valid) => valid.slice(0, 8) + '0008000200ff'.repeat(random.below(100)),
    // Relayed, as deep as it fits.
    (random) => `0c00${zeros(32)}`.repeat(1 + random.below(40)),
  ],
  'router solicitation': [
    () => '',
    (random) => zeros(random.below(4)),
    (random) => `${zeros(4)}0100${garbage(random)}`,
    (random) => `${zeros(4)}01ff${zeros(random.below(64))}`,
    (random, valid) => `${valid}${'0e01000000000000'.repeat(random.below(100))}0101`,
    (random) => `${zeros(4)}${'00'.repeat(1 + random.below(7))}`,
  ],
};

/** A request that is not valid. */
export function malformed(random: Random, kind: Request, mac: string): string {
  return frameOf(kind, mac, random.pick(MALFORMED[kind])(random, contentOf(kind, mac)));
}

/** A request with some bytes changed, inserted and cut off, which may still be valid. */
export function mutated(random: Random, kind: Request, mac: string): string {
  let content = contentOf(kind, mac);
  for (let times = 1 + random.below(6); times > 0; times--) {
    const at = random.below(content.length / 2 + 1);
    const bytes = random.bytes(1 + random.below(3)).toString('hex');
    if (random.oneIn(3)) content = content.slice(0, 2 * at) + bytes + content.slice(2 * at);
    else content = replace(content, at, bytes);
  }
  return frameOf(
    kind,
    mac,
    random.oneIn(4) ? content.slice(0, 2 * random.below(content.length / 2)) : content,
  );
}

/** Frames with wrong lengths and checksums, which the kernel has to reject or to pass on. */
export function broken(random: Random, kind: Request, mac: string): string {
  const frame = requestsOf(mac)[ORDER.indexOf(kind)] ?? '';
  if (random.oneIn(2)) return frame.slice(0, 2 * (14 + random.below(frame.length / 2 - 14)));
  return replace(frame, 14 + random.below(CONTENT_AT[kind] - 14), u16(random.below(0x10000)));
}

/** Offset and length in bytes of the part of a DHCP message that its answer repeats. */
const TRANSACTION = { 'DHCPv4 request': [4, 4], 'DHCPv6 request': [1, 3] } as const;
export type Dhcp = keyof typeof TRANSACTION;

/** A valid request of this transaction. */
export function requestOf(kind: Dhcp, mac: string, transaction: number): string {
  const [at, length] = TRANSACTION[kind];
  const id = transaction.toString(16).padStart(2 * length, '0');
  return frameOf(kind, mac, replace(contentOf(kind, mac), at, id));
}

/** The transaction of an answer to such a request. */
export function transactionOf(kind: Dhcp, answer: string): number {
  const [at, length] = TRANSACTION[kind];
  const start = 2 * (CONTENT_AT[kind] + at);
  return Number.parseInt(answer.slice(start, start + 2 * length), 16);
}
