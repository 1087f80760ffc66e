/** A minute of the soak, without limits of time, and with the version that its attacks broke. */
import { dirname, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { versionBefore } from '../helpers/cluster/version-before.ts';

const test = suite('a node with a hostile pod and a hostile user');

const SOAK = resolve(import.meta.dirname, '../soak/main.ts');

/** Its exit status and output. The ledger of netns is in the environment. */
const soak = (...words: readonly string[]) =>
  execa(process.execPath, [SOAK, '--busy', ...words], { all: true, reject: false });

test('for a minute, they cause no failure in other pods, nor does the death of callers and agents', async () => {
  const { exitCode, all } = await soak('--seconds', '60');
  assert.is(exitCode, 0, all);
  assert.match(all, 'the agent is killed');
  const figures = all.split('\n').filter((line) => /^(agent|one-shot|\d+ agents): /.test(line));
  console.log(['', ...figures.map((line) => `@ ${line}`)].join('\n')); // uvu's line is unfinished
});

test('the version before fails', async () => {
  const { dist } = await versionBefore();
  const { exitCode, all } = await soak('--seconds', '5', '--tree', dirname(dist));
  assert.is(exitCode, 1, all);
  assert.match(all, 'PROBLEM: after another qdisc, DEL by one-shot says ');
});

test.run();
