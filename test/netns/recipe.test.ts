/** The recipe of docs/install.md for trying the plugin in a network namespace works as written. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TAPWIRE } from '../helpers/plugin/way.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('the recipe in docs/install.md');

const page = readFileSync(resolve(import.meta.dirname, '../../docs/install.md'), 'utf8');
const recipe = /^ip netns add try && .*?^ip netns del try\n/ms.exec(page)?.[0] ?? '';

/** Output of the recipe in a netns of its own, with a command before CHECK. */
const run = (before: string): Promise<string> =>
  withNetns(async ({ name }) => {
    const script = recipe
      .replace('ip netns add try && ', '')
      .replace('ip netns del try\n', 'ip -n try link\n')
      .replace('tapwire CHECK', `${before}\ntapwire CHECK`)
      .replaceAll('ip -n try', `ip -n ${name}`)
      .replaceAll('netns/try', `netns/${name}`)
      .replaceAll('/opt/cni/bin/tapwire', TAPWIRE);
    assert.match(script, 'tapwire ADD');
    return (await execa('sh', ['-c', script], { reject: false })).stdout;
  });

test('ADD prints a result, CHECK and DEL print nothing, and DEL removes the tap', async () => {
  const [added = '', after = ''] = (await run('echo CHECK')).split('CHECK\n');
  assert.equal(JSON.parse(added.split('1: lo')[0] ?? ''), { cniVersion: '1.0.0' });
  assert.match(added, /\d+: tap0: /);
  assert.match(after, /^1: lo/);
  assert.not.match(after, /: tap0: /);
});

test('CHECK prints what has changed since ADD', async () => {
  assert.match(await run('ip -n try link set tap0 down'), 'tap \\"tap0\\" is down');
});

test.run();
