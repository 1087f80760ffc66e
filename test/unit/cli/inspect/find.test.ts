import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findNetns, type NetnsSeen, type NodeState, pathOf } from '../../../../cli/inspect/find.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('findNetns()');

const ID = 'abcdef0123456789';
const RED: NetnsSeen = { id: '4:1', paths: ['/run/netns/red'], pids: [10, 11], containerIds: [ID] };
const BLUE: NetnsSeen = { id: '4:2', paths: [], pids: [20], containerIds: [] };
const result = { netns: null, pod: null, passt: null };
const NODE: NodeState = {
  netnses: [RED, BLUE],
  results: [
    { ...result, containerId: ID, pod: 'vms/red' },
    { ...result, containerId: 'fedcba9876543210', netns: '/var/run/netns/red', pod: 'vms/by-path' },
    { ...result, containerId: '1111111111111111', pod: 'vms/gone' },
  ],
  cgroups: new Map([
    [10, '0::/kubepods/pod1/cri-containerd-aaaaaaaaaaaa.scope\n'],
    [20, '1:name=systemd:/kubepods/pod2/bbbbbbbbbbbb\n0::/system.slice:crio:cccccccccccc\n'],
  ]),
};

for (const [subject, want] of [
  ['red', RED],
  ['10', RED],
  ['20', BLUE],
  [ID, RED],
  [ID.slice(0, 8), RED],
  ['fedcba98', RED],
  ['vms/red', RED],
  ['vms/by-path', RED],
  ['aaaaaaaaaaaa', RED],
  ['aaaaaaaa', RED],
  ['bbbbbbbbbbbb', BLUE],
  ['cccccccccccc', BLUE],
] as const) {
  test(`finds ${want.id} by "${subject}"`, () => {
    assert.is(findNetns(subject, NODE), want);
  });
}

for (const subject of [
  '',
  'green',
  '2',
  '99',
  'abcdef',
  'bcdef0123456789',
  'vms/gone',
  'vms/re',
  'other/red',
  'aaa.aaaaaaaa',
  '.*.*.*.*',
  'toString',
  'kubepods',
]) {
  test(`rejects "${subject}", and says where to look`, async () => {
    const { code, message } = await caught(() => findNetns(subject, NODE));
    assert.is(code, 'INVALID_NETNS');
    assert.match(
      message,
      `Cannot inspect "${subject}": no netns, process, container or pod of this node matches`,
    );
  });
}

test('rejects an ambiguous name, and lists all matches', async () => {
  const node = { ...NODE, netnses: [RED, { ...BLUE, containerIds: [`${ID}9`] }] };
  const { message } = await caught(() => findNetns(ID, node));
  assert.is(
    message,
    `Cannot inspect "${ID}": it matches "/run/netns/red" and "/proc/20/ns/net"; name one of them`,
  );
});

test('pathOf() prefers a mount point to a process', () => {
  assert.equal([RED, BLUE].map(pathOf), ['/run/netns/red', '/proc/20/ns/net']);
});

test.run();
