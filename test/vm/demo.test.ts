import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { labPlace } from '../helpers/lab/lab.ts';
import { leftOvers } from '../helpers/lab/remove.ts';

const TAPWIRE = `${import.meta.dirname}/../../bin/tapwire`;
const MAIN = `${import.meta.dirname}/../../demo/main.ts`;

function startDemo(...options: string[]) {
  return execa(process.execPath, [MAIN, ...options], { all: true, reject: false });
}

/** Processes, links and files of the demo's lab that still exist. */
function leftOversOf(output: string): string[] {
  const [, id] = /netns tapwire-([\da-f]{8})-node/.exec(output) ?? [];
  if (id === undefined) throw new Error(`No drawing in:\n${output}`);
  return leftOvers(labPlace(id));
}

const test = suite('the demo');

test('the demo ends with its closing line and leaves nothing', async () => {
  const { all, exitCode } = await startDemo();
  console.log(all);
  assert.is(exitCode, 0);
  assert.match(all.trimEnd().split('\n').at(-1) ?? '', /^Tapwire works here: /);
  assert.not.match(all, '\u001b['); // A pipe gets no colours.
  assert.equal(leftOversOf(all), []);
});

test('a demo stopped halfway reports it, fails and leaves nothing', async () => {
  const demo = startDemo();
  demo.stdout.on('data', (chunk) => {
    if (`${chunk}`.includes('boot the guest')) demo.kill('SIGINT');
  });
  const { all, exitCode } = await demo;
  assert.is(exitCode, 130);
  assert.match(all, /^Stopped by SIGINT: deleting the VM, the pod and the node$/m);
  assert.match(all, /^Stopped by SIGINT; the demo left nothing behind.$/m);
  assert.equal(leftOversOf(all), []);
});

test('--keep leaves the VM up, and the printed command removes everything', async () => {
  const { all, exitCode } = await startDemo('--keep');
  try {
    assert.is(exitCode, 0);
    assert.is(leftOversOf(all).length, 3);
    const [, pod = ''] = /bin\/tapwire inspect (\S+)/.exec(all) ?? [];
    const { stdout } = await execa(TAPWIRE, ['inspect', pod], { reject: false });
    assert.match(stdout, /state +as ADD left it/);
    const { all: listed, exitCode: list } = await startDemo('--down');
    assert.match(listed, new RegExp(`^  npm run demo -- --down ${pod.split('-')[1]}$`, 'm'));
    assert.not.match(listed, 'failed');
    assert.is(list, 0);
    const { all: wrong } = await startDemo('--console');
    assert.match(wrong, new RegExp(`needs the ID of a demo; running: .*${pod.split('-')[1]}`));
  } finally {
    const [, id = ''] = / --down ([\da-f]{8})$/m.exec(all) ?? [];
    const { exitCode: down } = await startDemo('--down', id);
    assert.is(down, 0);
    assert.equal(leftOversOf(all), []);
  }
});

for (const [why, options, problem] of [
  [
    'an unknown option',
    ['--kep'],
    /^Tapwire demo failed: Unknown option '--kep'; see "npm run demo -- --help"$/m,
  ],
  ['an invalid id', ['--down', '../etc'], /^Tapwire demo failed: no demo "..\/etc"; (running: |no demo is)/m],
] as const) {
  test(`the demo rejects ${why} before it creates anything`, async () => {
    const { all, exitCode } = await startDemo(...options);
    assert.is(exitCode, 1);
    assert.match(all, problem);
  });
}

test.run();
