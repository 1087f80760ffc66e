import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPasstDefects, planPasst } from '../../../../cni/bindings/passt.ts';
import type { Sysctl, Sysctls } from '../../../../shared/netns/part.ts';
import { passtConf } from '../../../helpers/pod/seen.ts';

const test = suite('planPasst()');

const PORTS = 'net.ipv4.ip_unprivileged_port_start';
const PINGS = 'net.ipv4.ping_group_range';
const sysctls = (ports: string, pings: string): Sysctls => ({ [PORTS]: ports, [PINGS]: pings });
const step = (sysctl: Sysctl, from: string, to: string) => ({
  do: { op: 'setSysctl', sysctl, value: to },
  undo: [{ op: 'setSysctl', sysctl, value: from }],
});

test('in a new netns both sysctls are set, with an undo to their exact values', () =>
  assert.equal(planPasst(passtConf(), sysctls('1024', '1 0')), [
    [step(PORTS, '1024', '0'), step(PINGS, '1 0', '107 107')],
  ]));

test('a value that is already set is not a step, so that no undo restores it', () => {
  assert.equal(planPasst(passtConf(), sysctls('0', '107 107')), []);
  assert.equal(planPasst(passtConf(), sysctls('0', '1 0')), [[step(PINGS, '1 0', '107 107')]]);
  assert.equal(planPasst(passtConf(), sysctls('80', '107 107')), [[step(PORTS, '80', '0')]]);
});

for (const [why, group, seen, want] of [
  ['nobody', 107, '1 0', '107 107'],
  ['no group, and root', 0, '1 0', '0 0'],
  ['no group, and all groups', 'none', '1 0', '0 2147483647'],
  ['the group before', 107, '106 106', '106 107'],
  ['the group after', 107, '108 200', '107 200'],
  ['groups on the other side', 107, '0 0', '0 107'],
  ['a group within the range', 107, '0 2147483647', null],
  ['the first', 107, '107 200', null],
  ['the last', 107, '0 107', null],
  ['a range, and all groups', 'none', '5 9', '0 2147483647'],
  ['the highest possible group', 2147483647, '107 107', '107 2147483647'],
] as const) {
  test(`the range of groups never shrinks: ${why}`, () =>
    assert.equal(
      planPasst(passtConf({ group }), sysctls('0', seen)),
      want === null ? [] : [[step(PINGS, seen, want)]],
    ));
}

test('findPasstDefects() names each sysctl with its value and the required one', () => {
  assert.equal(findPasstDefects(passtConf(), sysctls('0', '107 107')), []);
  assert.equal(findPasstDefects(passtConf(), sysctls('0', '0 2147483647')), []);
  assert.equal(findPasstDefects(passtConf(), sysctls('1024', '200 300')), [
    'net.ipv4.ip_unprivileged_port_start is "1024" instead of "0"',
    'net.ipv4.ping_group_range is "200 300" instead of "107 300"',
  ]);
});

test.run();
