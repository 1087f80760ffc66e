import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPasstDefects, planPasst } from '../../../../cni/bindings/passt.ts';
import type { Sysctl, Sysctls } from '../../../../shared/netns/part.ts';
import { passtConf } from '../../../helpers/seen.ts';

const test = suite('planPasst()');

const PORTS = 'net.ipv4.ip_unprivileged_port_start';
const PINGS = 'net.ipv4.ping_group_range';
const sysctls = (ports: string, pings: string): Sysctls => ({ [PORTS]: ports, [PINGS]: pings });
const step = (sysctl: Sysctl, from: string, to: string) => ({
  do: { op: 'setSysctl', sysctl, value: to },
  undo: [{ op: 'setSysctl', sysctl, value: from }],
});

test('a new netns: both are set, with an undo to exactly what was', () =>
  assert.equal(planPasst(passtConf(), sysctls('1024', '1 0')), [
    [step(PORTS, '1024', '0'), step(PINGS, '1 0', '107 107')],
  ]));

test('what is there already is no step, so that nobody takes it back', () => {
  assert.equal(planPasst(passtConf(), sysctls('0', '107 107')), []);
  assert.equal(planPasst(passtConf(), sysctls('0', '1 0')), [[step(PINGS, '1 0', '107 107')]]);
  assert.equal(planPasst(passtConf(), sysctls('80', '107 107')), [[step(PORTS, '80', '0')]]);
});

for (const [why, group, seen, want] of [
  ['nobody', 107, '1 0', '107 107'],
  ['nobody, and root', 0, '1 0', '0 0'],
  ['nobody, and everybody', 'none', '1 0', '0 2147483647'],
  ['the group before', 107, '106 106', '106 107'],
  ['the group behind', 107, '108 200', '107 200'],
  ['groups on the other side', 107, '0 0', '0 107'],
  ['a group within', 107, '0 2147483647', null],
  ['the first', 107, '107 200', null],
  ['the last', 107, '0 107', null],
  ['others, and everybody', 'none', '5 9', '0 2147483647'],
  ['the last that there is', 2147483647, '107 107', '107 2147483647'],
] as const) {
  test(`the groups that may ping are never fewer: ${why}`, () =>
    assert.equal(
      planPasst(passtConf({ group }), sysctls('0', seen)),
      want === null ? [] : [[step(PINGS, seen, want)]],
    ));
}

test('findPasstDefects() names each, as it is and as it has to be', () => {
  assert.equal(findPasstDefects(passtConf(), sysctls('0', '107 107')), []);
  assert.equal(findPasstDefects(passtConf(), sysctls('0', '0 2147483647')), []);
  assert.equal(findPasstDefects(passtConf(), sysctls('1024', '200 300')), [
    'net.ipv4.ip_unprivileged_port_start is "1024" instead of "0"',
    'net.ipv4.ping_group_range is "200 300" instead of "107 300"',
  ]);
});

test.run();
