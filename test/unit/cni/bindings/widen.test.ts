import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findNarrow, type Wanted, widenSteps } from '../../../../cni/bindings/widen.ts';
import type { Sysctl, Sysctls } from '../../../../shared/netns/part.ts';

const test = suite('widenSteps()');

const PORTS = 'net.ipv4.ip_unprivileged_port_start';
const PINGS = 'net.ipv4.ping_group_range';
const sysctls = (ports: string, pings: string): Sysctls => ({ [PORTS]: ports, [PINGS]: pings });
const step = (sysctl: Sysctl, from: string, to: string) => ({
  do: { op: 'setSysctl', sysctl, value: to },
  undo: [{ op: 'setSysctl', sysctl, value: from }],
});
const SERVER: Wanted = { firstPort: 67, groups: [107] };

test('a sysctl that is too narrow is set, with an undo to its exact value', () => {
  assert.equal(widenSteps(SERVER, sysctls('1024', '1 0')), [
    step(PORTS, '1024', '67'),
    step(PINGS, '1 0', '107 107'),
  ]);
  assert.equal(widenSteps(SERVER, sysctls('68', '107 107')), [step(PORTS, '68', '67')]);
});

for (const [ports, pings] of [
  ['67', '107 107'],
  ['0', '0 2147483647'],
  ['1', '100 200'],
] as const) {
  test(`a sysctl that is wide enough stays: ${ports} and ${pings}`, () => {
    assert.equal(widenSteps(SERVER, sysctls(ports, pings)), []);
    assert.equal(findNarrow(SERVER, sysctls(ports, pings)), []);
  });
}

for (const [why, groups, seen, want] of [
  ['nobody may ping, and two groups are far apart', [107, 0], '1 0', '0 107'],
  ['one group may ping, and another one asks', [107, 0], '107 107', '0 107'],
  ['both groups may ping', [107, 0], '0 500', null],
  ['all groups are wanted', null, '107 107', '0 2147483647'],
] as const) {
  test(`the range of groups never shrinks: ${why}`, () => {
    const wanted = { firstPort: null, groups };
    const steps = want === null ? [] : [step(PINGS, seen, want)];
    assert.equal(widenSteps(wanted, sysctls('1024', seen)), steps);
  });
}

test('without a port, that sysctl stays', () =>
  assert.equal(widenSteps({ firstPort: null, groups: [107] }, sysctls('1024', '107 107')), []));

test('findNarrow() names each sysctl with its value and the one that it needs', () =>
  assert.equal(findNarrow(SERVER, sysctls('1024', '0 106')), [
    'net.ipv4.ip_unprivileged_port_start is "1024" instead of "67"',
    'net.ipv4.ping_group_range is "0 106" instead of "0 107"',
  ]));

test.run();
