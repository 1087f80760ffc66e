import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { logBy } from '../../../../shared/log.ts';
import { type Reply, silence } from '../../../../sidecar/services/answer.ts';
import { Reports } from '../../../../sidecar/services/reports.ts';
import { type Clock, withClock } from '../../../helpers/clock.ts';

const test = suite('Reports');

const NO_REQUEST = 'info: No guest has asked for an address within 60 s';
const ACK: Reply = { reply: Buffer.alloc(1), name: 'ACK', assigned: ['192.0.2.10'] };
const OFFER: Reply = { ...ACK, name: 'OFFER', assigned: null };
const NAK: Reply = { ...ACK, name: 'NAK', assigned: null };

interface Scene {
  readonly clock: Clock;
  readonly reports: Reports;
  /** What was logged since the last call. */
  readonly logged: () => readonly string[];
}

/** Reports of a tap, ten minutes after the start of the sidecar. */
const withReports = (act: (scene: Scene) => void): void =>
  withClock((clock) => {
    const lines: string[] = [];
    logBy((line) => {
      const { level, message, tap } = JSON.parse(line);
      assert.is(tap, 'tap0');
      lines.push(`${level}: ${message}`);
    });
    clock.pass(600_000);
    act({ clock, reports: new Reports('tap0'), logged: () => lines.splice(0) });
  });

test('a guest that asks for nothing within 60 s is logged once', () =>
  withReports(({ clock, reports, logged }) => {
    reports.guestStarted();
    clock.pass(59_999);
    assert.equal(logged(), []);
    clock.pass(1);
    assert.equal(logged(), [NO_REQUEST]);
    clock.pass(600_000);
    assert.equal(logged(), []);
  }));

for (const [what, happens] of [
  ['a request with a reply', (reports) => reports.answered('DHCPv4', OFFER)],
  ['a request without a reply', (reports) => reports.answered('DHCPv6', silence('it is malformed'))],
  ['a router solicitation', (reports) => reports.heard()],
  ['the end of the guest', (reports) => reports.guestStopped()],
] as readonly (readonly [string, (reports: Reports) => void])[]) {
  test(`${what} within 60 s: no missing request is logged`, () =>
    withReports(({ clock, reports, logged }) => {
      reports.guestStarted();
      clock.pass(59_999);
      happens(reports);
      logged();
      clock.pass(600_000);
      assert.equal(logged(), []);
    }));
}

test('a request just before the kernel reports the guest counts for it; an earlier one does not', () =>
  withReports(({ clock, reports, logged }) => {
    reports.heard();
    clock.pass(1_999);
    reports.guestStarted();
    clock.pass(60_000);
    assert.equal(logged(), []);

    reports.guestStarted();
    clock.pass(60_000);
    assert.equal(logged(), [NO_REQUEST]);
  }));

test('a guest that starts again has 60 s again', () =>
  withReports(({ clock, reports, logged }) => {
    reports.guestStarted();
    clock.pass(40_000);
    reports.guestStopped();
    reports.guestStarted();
    clock.pass(59_999);
    assert.equal(logged(), []);
    clock.pass(1);
    assert.equal(logged(), [NO_REQUEST]);
  }));

test('a lease is one log line a minute, and an offer none', () =>
  withReports(({ clock, reports, logged }) => {
    reports.answered('DHCPv4', OFFER);
    assert.equal(logged(), []);
    for (let second = 0; second < 60; second++) {
      reports.answered('DHCPv4', ACK);
      clock.pass(1_000);
    }
    assert.equal(logged(), ['info: Leased']);
    reports.answered('DHCPv4', ACK);
    assert.equal(logged(), ['info: Leased']);
    reports.answered('DHCPv4', { ...ACK, assigned: ['192.0.2.11'] });
    reports.answered('DHCPv6', { ...ACK, name: 'Reply', assigned: ['2001:db8::10'] });
    assert.equal(logged(), ['info: Leased', 'info: Leased'], 'of another address, and of DHCPv6');
  }));

test('each reason for no answer is logged once a minute', () =>
  withReports(({ clock, reports, logged }) => {
    const [cut, other] = [silence('it is cut off'), silence('it names another server', true)];
    for (let second = 0; second < 60; second++) {
      for (const answer of [cut, other]) reports.answered('DHCPv4', answer);
      clock.pass(1_000);
    }
    assert.equal(logged(), [
      'warn: Did not answer a DHCPv4 request: it is cut off',
      'info: Did not answer a DHCPv4 request: it names another server',
    ]);
    reports.answered('DHCPv4', cut);
    assert.is(logged().length, 1);
  }));

test('a NAK is logged once a minute', () =>
  withReports(({ reports, logged }) => {
    for (let time = 0; time < 3; time++) reports.answered('DHCPv4', NAK);
    assert.equal(logged(), ["info: Refused an address that is not the pod's"]);
  }));

test('answers that are all different are 64 log lines a minute, and no more memory', () =>
  withReports(({ clock, reports, logged }) => {
    const leases = (): number => {
      for (let host = 0; host < 256; host++) {
        reports.answered('DHCPv4', { ...ACK, assigned: [`192.0.2.${host}`] });
      }
      return logged().length;
    };
    assert.is(leases(), 64);
    clock.pass(59_999);
    assert.is(leases(), 0);
    clock.pass(1);
    assert.is(leases(), 64);
  }));

test('a protocol that cannot be served is logged once for each reason, and when it can be again', () =>
  withReports(({ clock, reports, logged }) => {
    for (let time = 0; time < 20; time++) {
      reports.failed('RA', 'socket: Permission denied', 'do this');
      clock.pass(10_000);
    }
    assert.equal(logged(), ['warn: Cannot serve RA: socket: Permission denied']);
    reports.failed('RA', 'bind: Address already in use');
    reports.failed('DHCPv4', 'bind: Address already in use');
    assert.equal(logged(), [
      'warn: Cannot serve RA: bind: Address already in use',
      'warn: Cannot serve DHCPv4: bind: Address already in use',
    ]);
    for (let time = 0; time < 2; time++) reports.works('RA');
    assert.equal(logged(), ['info: Serving RA again']);
    reports.works('DHCPv6');
    assert.equal(logged(), []);
  }));

test('messages that are lost are logged once a minute', () =>
  withReports(({ clock, reports, logged }) => {
    for (let time = 0; time < 3; time++) reports.lost('DHCPv6', 'ENETUNREACH');
    assert.equal(logged(), ['warn: Cannot answer by DHCPv6: ENETUNREACH']);
    clock.pass(60_000);
    reports.lost('DHCPv6', 'ENETUNREACH');
    assert.is(logged().length, 1);
    assert.equal([...reports.counts], [['DHCPv6 failed', 4]]);
  }));

test('counts have each kind of reply, and what was not answered', () =>
  withReports(({ reports }) => {
    for (const answer of [OFFER, ACK, ACK, NAK, silence('it is cut off'), silence('it names another', true)])
      reports.answered('DHCPv4', answer);
    reports.count('RA', 'Solicitation');
    assert.equal(Object.fromEntries(reports.counts), {
      ...{ 'DHCPv4 OFFER': 1, 'DHCPv4 ACK': 2, 'DHCPv4 NAK': 1, 'DHCPv4 rejected': 1, 'DHCPv4 ignored': 1 },
      'RA Solicitation': 1,
    });
  }));

test.run();
