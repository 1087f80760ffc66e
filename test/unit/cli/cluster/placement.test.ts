import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allowsNode } from '../../../../cli/cluster/placement.ts';

const test = suite('allowsNode()');

const LABELS = { os: 'linux', arch: 'amd64', cores: '8' };
const affinity = (...terms: readonly object[]) => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
  },
});
const term = (key: string, operator: string, ...values: readonly string[]) => ({
  matchExpressions: [{ key, operator, values }],
});

for (const [title, spec, want] of [
  ['a spec without a selection', {}, true],
  ['a selector that matches', { nodeSelector: { os: 'linux' } }, true],
  ['a selector that does not match', { nodeSelector: { os: 'linux', arch: 'arm64' } }, false],
  ['In', affinity(term('arch', 'In', 'arm64', 'amd64')), true],
  ['In without the label', affinity(term('zone', 'In', 'a')), false],
  ['NotIn', affinity(term('arch', 'NotIn', 'amd64')), false],
  ['NotIn without the label', affinity(term('zone', 'NotIn', 'a')), true],
  ['Exists', affinity(term('zone', 'Exists')), false],
  ['DoesNotExist', affinity(term('zone', 'DoesNotExist')), true],
  ['Gt', affinity(term('cores', 'Gt', '4')), true],
  ['Lt without the label', affinity(term('zone', 'Lt', '4')), false],
  ['an inherited property', affinity(term('constructor', 'Exists')), false],
  ['one of two terms', affinity(term('arch', 'In', 'arm64'), term('os', 'Exists')), true],
  ['a term without expressions', affinity({}), false],
] as const) {
  test(`${want ? 'allows' : 'does not allow'} a node by ${title}`, () => {
    assert.is(allowsNode(spec, LABELS), want);
  });
}

test('requires the selector and the affinity', () => {
  assert.not.ok(
    allowsNode({ nodeSelector: { os: 'linux' }, ...affinity(term('arch', 'In', 'arm64')) }, LABELS),
  );
});

test.run();
