import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fillNetns, parseCniResult } from '../../../../cli/inspect/cni-results.ts';

const test = suite('parseCniResult()');

const base64 = (conf: unknown): string => Buffer.from(JSON.stringify(conf)).toString('base64');
const parse = (keys: object) => parseCniResult(JSON.stringify({ containerId: 'c', ...keys }));
const NOTHING = { containerId: 'c', netns: null, pod: null, passt: null };

test('takes the pod from CNI_ARGS', () => {
  const cniArgs = [
    ['IgnoreUnknown', 'true'],
    ['K8S_POD_NAMESPACE', 'vms'],
    ['K8S_POD_NAME', 'red'],
  ];
  assert.equal(parse({ cniArgs }), { ...NOTHING, pod: 'vms/red' });
  assert.equal(parse({ cniArgs: cniArgs.slice(0, 2) }), NOTHING);
});

test('takes the netns from the file, or else from a link in the pod', () => {
  const result = { interfaces: [{ name: 'host' }, { name: 'eth0', sandbox: '/run/netns/a' }] };
  assert.is(parse({ result })?.netns, '/run/netns/a');
  assert.is(parse({ result, netns: '/run/netns/b' })?.netns, '/run/netns/b');
  assert.is(parse({ netns: 'relative' })?.netns, null);
});

test('reads passt and its group from a configuration or a list', () => {
  const ours = { type: 'tapwire', binding: 'passt' };
  assert.is(parse({ config: base64(ours) })?.passt?.group, 107);
  assert.is(parse({ config: base64({ plugins: [{ type: 'x' }, { ...ours, group: 5 }] }) })?.passt?.group, 5);
  assert.is(parse({ config: base64({ type: 'tapwire' }) })?.passt, null);
  assert.is(parse({ config: base64({ type: 'other', binding: 'passt' }) })?.passt, null);
  assert.is(parse({ config: base64({ ...ours, mtu: 9 }) })?.passt, null, 'ADD rejects it');
});

for (const text of ['', '{', '[]', 'null', '{}', '{"containerId": 5}', '{"containerId": ""}']) {
  test(`rejects ${JSON.stringify(text)}`, () => {
    assert.is(parseCniResult(text), null);
  });
}

for (const keys of [
  { cniArgs: 5 },
  { cniArgs: [5, [], [{}]] },
  { config: 5 },
  { config: 'no' },
  { result: { interfaces: [null] } },
]) {
  test(`${JSON.stringify(keys)}: treats unreadable keys as missing`, () => {
    assert.equal(parse(keys), NOTHING);
  });
}

test('fillNetns() fills in the netns from results of the same container', () => {
  const a = { ...NOTHING, netns: '/run/netns/a' };
  const other = { ...NOTHING, containerId: 'd' };
  assert.equal(fillNetns([NOTHING, a, other]), [a, a, other]);
});

test.run();
