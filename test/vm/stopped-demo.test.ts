/**
 * The demo, stopped at five moments: three while its VM exists, two in the set-up of a fresh
 * checkout. scripts/stop-demo.ts tries random moments.
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HANG } from '../helpers/hang.ts';
import { type Sandbox, withSandbox } from '../helpers/interrupt/sandbox.ts';
import { readAptLog, writeSlowApt } from '../helpers/interrupt/slow-apt.ts';
import { type Blow, type Moment, stopAt } from '../helpers/interrupt/stop.ts';
import { problemsOf } from '../helpers/interrupt/verdict.ts';

const test = suite('a stopped demo');

const CHECKOUT = resolve(import.meta.dirname, '../..');
const NO_LIMITS = { told: HANG, ended: HANG };

async function stop(sandbox: Sandbox, directory: string, moment: Moment): Promise<string> {
  const stopped = await stopAt(sandbox, directory, 'npm run demo', moment, HANG);
  const problems = await problemsOf(sandbox, moment, stopped, NO_LIMITS);
  assert.equal(problems, [], stopped.output);
  assert.is(stopped.isOver && moment.blows.length > 0, false, stopped.output);
  return stopped.output;
}

const times = (count: number, blow: Blow, ms: number): Moment['blows'] =>
  Array.from({ length: count }, (_, index) => [blow, index * ms] as const);

test('signals of any kind and number leave nothing, and the next demo works', () =>
  withSandbox({ checkout: CHECKOUT, hasNetwork: false }, async (sandbox) => {
    for (const [after, delay, blows] of [
      ['create a node and a pod', 20, times(10, 'SIGINT', 30)],
      ['boot the guest', 500, times(2, 'Ctrl-C', 100)],
      ['start libvirtd', 0, times(1, 'close', 0)],
    ] as const) {
      const output = await stop(sandbox, CHECKOUT, { after, delay, blows });
      assert.not.match(output, 'Tapwire works here');
    }
    const output = await stop(sandbox, CHECKOUT, { after: 'Tapwire works here', delay: 0, blows: [] });
    assert.ok(output.includes('Tapwire works here'), output);
  }));

/** A stand-in whose "npm ci" takes longer than any test waits. */
const SLOW_NPM = `#!/bin/sh
[ "$1" != ci ] || sleep 1000
PATH=\${PATH#*:} exec npm "$@"
`;

/** A checkout without node_modules and without a build. */
async function withFresh(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-fresh-'));
  try {
    cpSync(join(CHECKOUT, 'package.json'), join(directory, 'package.json'));
    for (const name of ['scripts', 'demo'])
      cpSync(join(CHECKOUT, name), join(directory, name), { recursive: true });
    symlinkSync('missing', join(directory, 'package-lock.json'));
    await act(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('a set-up that is stopped during apt-get waits for it, and the next one goes on', () =>
  withFresh((fresh) =>
    withSandbox({ checkout: fresh, hasNetwork: false }, async (sandbox) => {
      writeSlowApt(sandbox.bin, 1, 3);
      const installing = { after: 'Installing Debian packages: tcpdump', delay: 2000 };
      const output = await stop(sandbox, fresh, { ...installing, blows: times(10, 'SIGINT', 20) });
      assert.ok(output.includes('Stopped by SIGINT: waiting for apt-get, which must not'), output);
      assert.is.not(readAptLog(sandbox.bin).end, 0);

      // As if the set-up had been killed with SIGKILL.
      const leftBehind = '#!/bin/sh\n# Written by set-up of Tapwire\nexit 101\n';
      writeFileSync(join(sandbox.root, 'usr/sbin/policy-rc.d'), leftBehind);
      writeFileSync(join(sandbox.bin, 'npm'), SLOW_NPM, { mode: 0o755 });
      const again = await stop(sandbox, fresh, {
        after: 'Installing npm packages',
        delay: 100,
        blows: times(3, 'SIGTERM', 0),
      });
      assert.not.match(again, 'Debian packages');
      assert.match(again, 'Stopped by SIGTERM: the next run repeats what is unfinished');
    }),
  ));

test.run();
