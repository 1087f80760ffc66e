import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatAddress } from '../../../../../shared/rtnetlink/address.ts';
import { type GuestNetwork, NO_DHCP_OPTIONS } from '../../../../../sidecar/services/guest-network.ts';
import { Advertiser } from '../../../../../sidecar/services/router-advertisement/advertiser.ts';
import { type Clock, withClock } from '../../../../helpers/clock.ts';

const test = suite('Advertiser');

const WITHOUT_IPV6: GuestNetwork = {
  ...{ mtu: 1500, hostname: 'vm1', domain: null, searchDomains: [], nameservers: [] },
  ...{ ipv4: null, ipv6: null, options: NO_DHCP_OPTIONS },
};

const behind = (router: string): GuestNetwork => ({
  ...WITHOUT_IPV6,
  ipv6: { addresses: ['2001:db8::10'], router, isDefaultRouter: true, routes: [], onLink: [] },
});

/** Offset of the address in the option from which the kernel takes the source. */
const SOURCE_AT = 16 + 8;

interface Scene {
  readonly clock: Clock;
  readonly advertiser: Advertiser;
  /** What was sent since the last call: time in ms since the beginning, router and its lifetime. */
  readonly sent: () => readonly string[];
}

/** An advertiser of a router fe80::1 that has not started. */
const withAdvertiser = (act: (scene: Scene) => void, network = behind('fe80::1')): void =>
  withClock((clock) => {
    clock.pass(10_000);
    const start = performance.now();
    const sent: string[] = [];
    const advertiser = new Advertiser(network, (message) => {
      const router = formatAddress(message.subarray(SOURCE_AT, SOURCE_AT + 16));
      sent.push(`${performance.now() - start} ${router} ${message.readUInt16BE(6)}`);
    });
    act({ clock, advertiser, sent: () => sent.splice(0) });
    advertiser.stop();
  });

const at = (...times: readonly number[]): readonly string[] => times.map((time) => `${time} fe80::1 1800`);

test('the first advertisement goes at once, then after 1, 4 and 16 s, then every 200 s', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    clock.pass(1_000_000);
    assert.equal(sent(), [], 'before the start');
    advertiser.start();
    clock.pass(1);
    const begin = 1_000_001;
    assert.equal(sent(), at(begin));
    clock.pass(421_000);
    assert.equal(sent(), at(...[1_000, 5_000, 21_000, 221_000, 421_000].map((pause) => begin + pause)));
  }));

test('a guest that starts gets advertisements as after the first start', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    advertiser.start();
    clock.pass(100_000);
    sent();
    advertiser.start();
    clock.pass(21_001);
    assert.equal(sent(), at(100_001, 101_001, 105_001, 121_001));
  }));

test('a solicitation is answered at once, and solicitations without pause every 100 ms', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    advertiser.start();
    clock.pass(100_000);
    sent();
    advertiser.answerSolicitation();
    clock.pass(1);
    assert.equal(sent(), at(100_001));
    clock.pass(99);
    for (let time = 0; time < 1_000; time++) {
      for (let count = 0; count < 5; count++) advertiser.answerSolicitation();
      clock.pass(1);
    }
    const expected = Array.from({ length: 10 }, (_, index) => 100_101 + 100 * index);
    assert.equal(sent(), at(...expected));
    clock.pass(200_001);
    assert.equal(sent(), at(101_101, 301_101), 'the last answer, and one 200 s after it');
  }));

test('a change is advertised at once, and a former router is withdrawn three times', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    advertiser.start();
    clock.pass(100_000);
    sent();
    advertiser.change(behind('fe80::2'));
    clock.pass(222_000);
    const both = (time: number) => [`${time} fe80::1 0`, `${time} fe80::2 1800`];
    assert.equal(sent(), [
      ...[100_001, 101_001, 105_001].flatMap(both),
      ...[121_001, 321_001].map((time) => `${time} fe80::2 1800`),
    ]);
  }));

test('each of several former routers is withdrawn three times', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    advertiser.change(behind('fe80::2'));
    advertiser.change(behind('fe80::3'));
    clock.pass(100_000);
    const all = sent();
    const times = (end: string) => all.filter((line) => line.endsWith(end)).length;
    assert.equal([times('fe80::1 0'), times('fe80::2 0'), times('fe80::3 0')], [3, 3, 0]);
  }));

test('a router that returns is not withdrawn', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    advertiser.change(behind('fe80::2'));
    clock.pass(1);
    assert.equal(sent(), ['1 fe80::1 0', '1 fe80::2 1800']);
    advertiser.change(behind('fe80::1'));
    clock.pass(100_000);
    const all = sent();
    assert.equal(
      all.filter((line) => line.includes('fe80::1 0')),
      [],
    );
    assert.is(all.filter((line) => line.endsWith('fe80::2 0')).length, 3);
  }));

test('without IPv6 any more, only the former router is withdrawn', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    advertiser.change(WITHOUT_IPV6);
    clock.pass(1_000_000);
    assert.equal(sent(), ['1 fe80::1 0', '1001 fe80::1 0', '5001 fe80::1 0']);
    advertiser.change(behind('fe80::1'));
    clock.pass(1);
    assert.equal(sent(), at(1_000_001), 'IPv6 has returned');
  }));

test('nothing is sent after the stop', () =>
  withAdvertiser(({ clock, advertiser, sent }) => {
    advertiser.start();
    clock.pass(1);
    sent();
    advertiser.stop();
    clock.pass(1_000_000);
    assert.equal(sent(), []);
  }));

test.run();
