/**
 * The exchange of Windows' DHCP client, frame by frame: it asks for options by its own list, asks
 * where the server is before it renews its lease there, and informs itself.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SERVER_IPV4 } from '../../shared/guest-services.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { type FrameSocket, withFrames } from '../helpers/pod/frames.ts';
import {
  addressHex,
  arp,
  BROADCAST,
  ethernet,
  ipv4,
  macHex,
  UDP,
  u16,
  udp,
  zeros,
} from '../helpers/pod/packets.ts';
import { BOTH, CALICO, POD_MAC, withNetwork } from '../helpers/pod/served-network.ts';
import { HOSTNAME, NAMESERVERS, SEARCH_DOMAINS, withServe } from '../helpers/pod/serving.ts';
import { type ReadReply, readReply } from '../helpers/sidecar/dhcp4.ts';

const test = suite('the DHCP client of Windows');

const OWN = CALICO.ipv4.address;
const GATEWAY_MAC = 'ee:ee:ee:ee:ee:ee';
const [DISCOVER, REQUEST, INFORM] = [1, 3, 8];
const [OFFER, ACK] = ['02', '05'];

const text = (value: string): string => Buffer.from(value).toString('hex');
const option = (code: number, hex: string): string =>
  Buffer.from([code, hex.length / 2]).toString('hex') + hex;

/** Windows 10: 1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249 and 252. */
const LIST = option(
  55,
  Buffer.from([1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249, 252]).toString('hex'),
);
const IDENTITY =
  option(61, `01${macHex(POD_MAC)}`) + option(12, text('DESKTOP-1234567')) + option(60, text('MSFT 5.0'));

/** @param ciaddr address that the client has */
function message(type: number, xid: number, options: string, ciaddr = '0.0.0.0'): string {
  const head = `01010600${u16(0x5a17)}${u16(xid)}${zeros(4)}${addressHex(ciaddr)}${zeros(12)}`;
  return `${head}${macHex(POD_MAC)}${zeros(10 + 64 + 128)}63825363${option(53, `0${type}`)}${IDENTITY}${options}ff`;
}

/** A DHCP message from the client's port to the server's. */
const frame = (content: string, to = BROADCAST, from = '0.0.0.0', address = '255.255.255.255'): string =>
  ethernet(POD_MAC, to, '0800', ipv4({ from, to: address, protocol: UDP, payload: udp(68, 67, content) }));

interface Received {
  /** MAC and address to which the server sends. */
  readonly mac: string;
  readonly to: string;
  readonly reply: ReadReply;
}

const HEADERS = 14 + 20 + 8;

/** The replies in these frames to a transaction. */
function repliesIn(frames: readonly string[], xid: number): Received[] {
  return frames.flatMap((hex) => {
    const bytes = Buffer.from(hex, 'hex');
    const isReply = hex.slice(24, 28) === '0800' && bytes[23] === UDP && bytes.readUInt16BE(36) === 68;
    if (!isReply || bytes.readUInt16BE(HEADERS + 6) !== xid) return [];
    const end = 14 + 20 + bytes.readUInt16BE(38);
    const reply = readReply(bytes.subarray(HEADERS, end));
    return [{ mac: hex.slice(0, 12), to: bytes.subarray(30, 34).join('.'), reply }];
  });
}

/** Sends a message until there is such a reply, as the client does. */
async function ask(
  guest: FrameSocket,
  sent: string,
  xid: number,
  isMeant: (reply: Received) => boolean = () => true,
): Promise<Received> {
  let last = Number.NEGATIVE_INFINITY;
  let found: Received | undefined;
  await until('the server replies', () => {
    if (performance.now() > last + 1000) {
      guest.send(sent);
      last = performance.now();
    }
    found = repliesIn(guest.received, xid).find(isMeant);
    return found !== undefined;
  });
  assert.ok(found);
  return found;
}

/** The client's routes: `DESTINATION via GATEWAY`. */
function routesIn(hex: string): string[] {
  const bytes = Buffer.from(hex, 'hex');
  const routes: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt8(at);
    const size = Math.ceil(length / 8);
    const destination = Buffer.concat([bytes.subarray(at + 1, at + 1 + size), Buffer.alloc(4 - size)]);
    const gateway = bytes.subarray(at + 1 + size, at + 5 + size);
    routes.push(`${destination.join('.')}/${length} via ${gateway.join('.')}`);
    at += 5 + size;
  }
  return routes;
}

/** What a lease says, by the names of its options. */
function configurationIn({ reply: { options } }: Received) {
  const bytes = (code: number) => Buffer.from(options.get(code) ?? '', 'hex');
  return {
    mask: bytes(1).join('.'),
    router: bytes(3).join('.'),
    nameservers: bytes(6).join('.'),
    domain: bytes(15).toString(),
    routes: routesIn(options.get(121) ?? ''),
    microsoftRoutes: routesIn(options.get(249) ?? ''),
    searchDomains: bytes(119).length > 0,
    hostname: bytes(12).toString(),
    server: bytes(54).join('.'),
  };
}

const ROUTES = ['169.254.1.1/32 via 0.0.0.0', '10.99.0.0/16 via 169.254.1.1', '0.0.0.0/0 via 169.254.1.1'];
const CONFIGURATION = {
  mask: '255.255.255.255',
  router: CALICO.ipv4.gateway,
  nameservers: NAMESERVERS[0],
  domain: SEARCH_DOMAINS[0],
  routes: ROUTES,
  microsoftRoutes: ROUTES,
  searchDomains: true,
  hostname: HOSTNAME,
  server: SERVER_IPV4,
};

/** The MAC that answers for the server; the client asks with the address of its lease. */
async function findServer(guest: FrameSocket): Promise<string> {
  const question = arp({ operation: 'request', senderMac: POD_MAC, sender: OWN, target: SERVER_IPV4 });
  guest.send(ethernet(POD_MAC, BROADCAST, '0806', question));
  const isAnswer = (hex: string) =>
    hex.slice(24, 28) === '0806' &&
    hex.slice(40, 44) === '0002' &&
    hex.slice(56, 64) === addressHex(SERVER_IPV4);
  await until('the server answers ARP', () => guest.received.some(isAnswer));
  return (guest.received.find(isAnswer) ?? '').slice(44, 56).replace(/(..)(?=.)/g, '$1:');
}

/** Renews the lease, answers the server's question where the guest is, and returns the reply. */
async function askByGateway(guest: FrameSocket, xid: number): Promise<Received> {
  const renewal = frame(message(REQUEST, xid, LIST, OWN), GATEWAY_MAC, OWN, SERVER_IPV4);
  const isQuestion = (hex: string) =>
    hex.slice(24, 28) === '0806' && hex.slice(40, 44) === '0001' && hex.slice(76, 84) === addressHex(OWN);
  const start = guest.received.length;
  const answering = until('the server asks where the guest is', () =>
    guest.received.slice(start).some(isQuestion),
  ).then(() => {
    const question = guest.received.slice(start).find(isQuestion) ?? '';
    assert.is(question.slice(56, 64), addressHex(SERVER_IPV4), 'it asks as the server');
    const server = question.slice(44, 56).replace(/(..)(?=.)/g, '$1:');
    const answer = arp({ operation: 'reply', senderMac: POD_MAC, sender: OWN, target: SERVER_IPV4 });
    guest.send(ethernet(POD_MAC, server, '0806', answer));
  });
  const reply = await ask(guest, renewal, xid, ({ to }) => to === OWN);
  await answering;
  return reply;
}

test('a renewal by the MAC of the gateway, as Linux sends it, is answered at the address of the guest', () =>
  withNetwork(CALICO, BOTH, async (networked) => {
    const add = { netns: networked.pod.path, network: 'default', conf: { guestAddresses: 'pod' } };
    assert.is((await cni('ADD', add)).exitCode, 0);
    await withServe(networked, (serve) =>
      serve(() =>
        withFrames(async (open) => {
          const guest = await open(networked.pod, 'tap', 'tap0');
          const renewed = await askByGateway(guest, 5);
          assert.equal([renewed.mac, renewed.reply.options.get(53)], [macHex(POD_MAC), ACK]);
        }),
      ),
    );
  }));

test('gets each option of its list, renews by unicast at the server, and informs itself', () =>
  withNetwork(CALICO, BOTH, async (networked) => {
    const add = { netns: networked.pod.path, network: 'default', conf: { guestAddresses: 'pod' } };
    assert.is((await cni('ADD', add)).exitCode, 0);
    await withServe(networked, (serve) =>
      serve(() =>
        withFrames(async (open) => {
          const guest = await open(networked.pod, 'tap', 'tap0');

          const offer = await ask(guest, frame(message(DISCOVER, 1, LIST)), 1);
          assert.equal([offer.mac, offer.to], ['ffffffffffff', '255.255.255.255']);
          assert.equal([offer.reply.options.get(53), offer.reply.yiaddr], [OFFER, addressHex(OWN)]);
          assert.equal(configurationIn(offer), CONFIGURATION);

          const choice = option(50, addressHex(OWN)) + option(54, addressHex(SERVER_IPV4));
          const lease = await ask(guest, frame(message(REQUEST, 2, choice + LIST)), 2);
          assert.equal([lease.reply.options.get(53), lease.reply.yiaddr], [ACK, addressHex(OWN)]);
          assert.is(lease.reply.options.get(51), '00000e10');
          assert.equal(configurationIn(lease), CONFIGURATION);

          const server = await findServer(guest);
          const renewal = frame(message(REQUEST, 3, LIST, OWN), server, OWN, SERVER_IPV4);
          const renewed = await ask(guest, renewal, 3, ({ to }) => to === OWN);
          assert.equal([renewed.mac, renewed.reply.options.get(53)], [macHex(POD_MAC), ACK]);
          assert.equal([renewed.reply.ciaddr, renewed.reply.yiaddr], [addressHex(OWN), addressHex(OWN)]);

          const inform = frame(message(INFORM, 4, LIST, OWN), BROADCAST, OWN);
          const informed = await ask(guest, inform, 4);
          assert.equal([informed.reply.options.get(53), informed.reply.yiaddr], [ACK, '00000000']);
          assert.is(informed.reply.options.has(51), false, 'without a lease');
          assert.equal(configurationIn(informed), CONFIGURATION);
        }),
      ),
    );
  }));

test.run();
