/**
 * Stops `npm run demo` at random moments, each with one to ten signals, and looks for anything that
 * is wrong afterwards. Takes half an hour. Ten of the 50 moments are in the set-up of a fresh
 * checkout, with a slow stand-in for apt-get; the demo then runs to its end in it. Run it as root,
 * on a machine on which nothing else creates links.
 *
 * Usage: node scripts/stop-demo.ts [--demos N] [--set-ups N] [--seed N]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { newRandom } from '../test/helpers/fuzz.ts';
import { type Sandbox, withSandbox } from '../test/helpers/interrupt/sandbox.ts';
import { writeSlowApt } from '../test/helpers/interrupt/slow-apt.ts';
import { type Blow, type Moment, stopAt } from '../test/helpers/interrupt/stop.ts';
import { problemsOf } from '../test/helpers/interrupt/verdict.ts';

const CHECKOUT = resolve(import.meta.dirname, '..');
const DEMO = 'npm run demo';
const LIMITS = { told: 1000, ended: 15_000 };
/** Longer than the limit, because a slow apt-get is not counted. */
const TIMEOUT = 40_000;
/** Length of a set-up with the slow apt-get, at least. */
const SET_UP = 45_000;
const APT = { update: 3, install: 5 }; // seconds

const { values } = parseArgs({
  options: {
    demos: { type: 'string', default: '40' },
    'set-ups': { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

const random = newRandom(Number(values.seed));

function randomMoment(longest: number): Moment {
  const isTerminal = random.below(10) < 3;
  const kind = (): Blow =>
    isTerminal ? 'Ctrl-C' : random.pick(['SIGINT', 'SIGINT', 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']);
  const pause = random.pick([0, 20, 200, 1000]);
  const count = 1 + random.below(10);
  let at = 0;
  const blows = Array.from({ length: count }, (): [Blow, number] => {
    const blow: [Blow, number] = [kind(), at];
    at += random.below(pause + 1);
    return blow;
  });
  // A terminal that is closed takes no more keys.
  if (isTerminal && random.oneIn(2)) blows.splice(-1, 1, ['close', blows.at(-1)?.[1] ?? 0]);
  return { after: '', delay: random.below(longest), blows };
}

const describe = ({ delay, blows }: Moment): string =>
  `after ${(delay / 1000).toFixed(2)} s: ${blows.map(([blow, at]) => `${blow}+${at}`).join(' ')}`;

/** Runs the demo to its end, and returns how long it took in ms. */
async function runDemo(sandbox: Sandbox, directory: string): Promise<number> {
  const started = performance.now();
  const moment: Moment = { after: 'Tapwire works here', delay: 0, blows: [] };
  const { output } = await stopAt(sandbox, directory, DEMO, moment, TIMEOUT);
  if (!output.includes('Tapwire works here')) throw new Error(`The demo does not work:\n${output}`);
  return performance.now() - started;
}

let failures = 0;

/** Stops a demo at a random moment, or tries another one if the demo was already over. */
async function tryMoment(sandbox: Sandbox, directory: string, name: string, longest: number): Promise<void> {
  const moment = randomMoment(longest);
  const stopped = await stopAt(sandbox, directory, DEMO, moment, TIMEOUT);
  if (stopped.isOver) return tryMoment(sandbox, directory, name, longest);
  const problems = await problemsOf(sandbox, moment, stopped, LIMITS);
  const { told, ended } = stopped;
  const times = `told in ${told?.toFixed(0) ?? '-'} ms, ended in ${ended?.toFixed(0) ?? '-'} ms`;
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name} ${describe(moment)}: ${times}`);
  if (problems.length === 0) return;
  failures += 1;
  console.log([...problems, ...stopped.output.split('\n').slice(-15)].join('\n').replace(/^/gm, '       '));
}

/** Copies all files that git knows or would add. */
async function copyCheckout(to: string): Promise<void> {
  const script = 'git ls-files -coz --exclude-standard | tar --null -T - -c | tar -x -C "$1"';
  await execa('sh', ['-ec', script, 'copy', to], { cwd: CHECKOUT });
}

async function stopSetUps(sandbox: Sandbox, count: number): Promise<void> {
  for (let index = 1; index <= count; index += 1) {
    const fresh = mkdtempSync('/var/tmp/tapwire-fresh-');
    try {
      await copyCheckout(fresh);
      writeSlowApt(sandbox.bin, APT.update, APT.install);
      await tryMoment(sandbox, fresh, `set-up ${index}`, SET_UP);
      await runDemo(sandbox, fresh);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
}

async function stopDemos(sandbox: Sandbox, count: number): Promise<void> {
  await runDemo(sandbox, CHECKOUT); // builds what is out of date
  const length = await runDemo(sandbox, CHECKOUT);
  console.log(`The whole demo takes ${(length / 1000).toFixed(1)} s`);
  for (let index = 1; index <= count; index += 1) {
    await tryMoment(sandbox, CHECKOUT, `demo ${index}`, length);
    if (index % 10 === 0) await runDemo(sandbox, CHECKOUT);
  }
}

const [demos, setUps] = [Number(values.demos), Number(values['set-ups'])];
console.log(`Seed ${values.seed}`);
await withSandbox({ checkout: CHECKOUT, hasNetwork: true }, async (sandbox) => {
  if (demos > 0) await stopDemos(sandbox, demos);
  await stopSetUps(sandbox, setUps);
});
console.log(`${demos + setUps - failures} of ${demos + setUps} moments are right`);
process.exitCode = failures === 0 ? 0 : 1;
