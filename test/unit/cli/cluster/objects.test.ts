import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { toNode, toPod } from '../../../../cli/cluster/objects.ts';

const test = suite('objects of the API server');

const podWith = (status: object) => toPod({ metadata: { name: 'p' }, spec: { nodeName: 'n' }, status });

for (const [title, status, want] of [
  ['a pod without a status', {}, ['', '', null]],
  [
    'a pod without a node',
    { phase: 'Pending', conditions: [{ status: 'False', message: 'no node' }] },
    ['Pending', 'no node', null],
  ],
  [
    'a container that cannot start',
    {
      phase: 'Pending',
      containerStatuses: [{ state: { waiting: { reason: 'ErrImagePull', message: 'no such image' } } }],
    },
    ['Pending', 'ErrImagePull: no such image', null],
  ],
  [
    'an evicted pod',
    { phase: 'Failed', reason: 'Evicted', message: 'low on memory' },
    ['Failed', 'Evicted: low on memory', null],
  ],
  [
    'an ended container',
    { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 2 } } }] },
    ['Failed', '', 2],
  ],
] as const) {
  test(`toPod() reads ${title}`, () => {
    const { phase, reason, exitCode } = podWith(status);
    assert.equal([phase, reason, exitCode], want);
  });
}

for (const [title, conditions, want] of [
  [
    'a ready node',
    [
      { type: 'MemoryPressure', status: 'False' },
      { type: 'Ready', status: 'True' },
    ],
    null,
  ],
  [
    'a node whose kubelet is silent',
    [{ type: 'Ready', status: 'Unknown', message: 'Kubelet stopped.' }],
    'Kubelet stopped',
  ],
  ['a node without conditions', undefined, 'the kubelet has not reported'],
] as const) {
  test(`toNode() reads ${title}`, () => {
    const node = toNode({ metadata: { name: 'n', labels: { a: 'b' } }, status: { conditions } });
    assert.equal(node, { name: 'n', labels: { a: 'b' }, notReady: want });
  });
}

test('toNode() and toPod() accept any JSON', () => {
  for (const value of [null, 1, 'x', [], { metadata: 1, status: { conditions: 3, containerStatuses: {} } }]) {
    assert.is(toNode(value).name, '');
    assert.is(toPod(value).exitCode, null);
  }
});

test.run();
