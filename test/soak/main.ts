/**
 * Pods, and a pod and a user who work against them, on one node for minutes. Random calls are made,
 * and random callers, agents and one-shots are killed. Reports calls that fail or are slow, changes
 * that are left in a pod's netns, and growth of the agent.
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../../shared/errors.ts';
import { Interrupted, untilInterrupted } from '../helpers/lab/interruption.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';
import { ATTACK_COUNT, attack } from './hostile-pod.ts';
import { callAtRandom, withPods } from './neighbour.ts';
import { buildOf, type Node, withNode } from './node.ts';
import { describe, findProblems, type Outcome, type Sample, type Seen } from './verdict.ts';

const USAGE = `Usage: npm run soak [-- options]

Wires and unwires 20 pods at random for some minutes, kills callers and agents, and lets one pod and one user work against
the others. Needs root.

  --seconds N  how long (default 600), but at least until each attack was made once
  --tree DIR   test the build in this checkout (default: this one)
  --busy       do not judge how long calls take: the machine has other work to do
  --help       print this help

Exit status: 0 no problem found, 1 problems found, 2 cannot run.`;

const PODS = 20;
/** Mean time until an agent is killed, in ms; the first one is killed after a third of the run. */
const AGENT_LIFE = 60_000;
/** An agent that was started so long ago must be alive, in ms. */
const START_TIME = 10_000;
const SAMPLE_INTERVAL = 500;
const CHECKOUT = resolve(import.meta.dirname, '../..');

interface Run {
  readonly tree: string;
  /** ms */
  readonly duration: number;
  readonly isAlone: boolean;
  readonly signal: AbortSignal;
}

const say = (text: string) => console.log(`${performance.now().toFixed(0).padStart(7)} ms  ${text}`);

async function soak({ tree, duration, isAlone, signal }: Run): Promise<Seen> {
  const build = buildOf(tree);
  const outcomes: Outcome[] = [];
  const samples: Sample[] = [];
  const problems: string[] = [];
  const attacks = new Set<string>();
  let hasFailed = false;
  const reports = {
    outcome: (outcome: Outcome) => outcomes.push(outcome),
    problem: (text: string) => problems.push(text),
    begun: (name: string) => say(`the hostile pod: ${name}`),
    ended: (name: string) => attacks.add(name),
  };
  /** Ends all actors when one of them fails. */
  const act = (acting: Promise<void>) =>
    acting.catch((error) => {
      hasFailed = true;
      throw error;
    });
  await withNode(build, (node) =>
    withPods(PODS, build.isNew, (pods) =>
      withDirectory(async (directory) => {
        const end = performance.now() + duration;
        const isComplete = () => performance.now() > end && attacks.size === ATTACK_COUNT;
        const isOver = () => signal.aborted || hasFailed || isComplete();
        const user = startUser(node);
        say(`${PODS} pods, for ${duration / 1000} s`);
        const results = await Promise.allSettled([
          ...pods.map((pod) => act(callAtRandom(pod, node, reports, isOver))),
          act(attack(node, directory, reports, isOver)),
          act(watch(node, reports.problem, samples, duration / 3, isOver)),
        ]);
        user.kill('SIGKILL');
        for (const result of results) if (result.status === 'rejected') throw result.reason;
        await node.stop().catch((error) => problems.push(messageOf(error)));
      }),
    ),
  );
  return { outcomes, samples, problems, isAlone };
}

function startUser({ under, port }: Node) {
  const [file = '', ...words] = [
    ...under,
    process.execPath,
    resolve(import.meta.dirname, 'health-user.ts'),
    `${port}`,
  ];
  return spawn(file, words, { stdio: 'ignore', detached: true });
}

/** Samples the agent, asks whether it is alive, and kills it now and then. */
async function watch(
  node: Node,
  problem: (text: string) => void,
  samples: Sample[],
  firstLife: number,
  isOver: () => boolean,
): Promise<void> {
  let startedAt = performance.now();
  let killAt = startedAt + firstLife;
  while (!isOver()) {
    await sleep(SAMPLE_INTERVAL);
    const failure = await node.livenessFailure();
    const isNew = performance.now() - startedAt < START_TIME;
    if (failure !== null && !isNew) problem(`the liveness probe fails: ${failure}`);
    samples.push(node.sample());
    if (performance.now() < killAt) continue;
    say('the agent is killed');
    await node.restart();
    startedAt = performance.now();
    killAt = startedAt + AGENT_LIFE * (0.5 + Math.random());
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      tree: { type: 'string', default: CHECKOUT },
      busy: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seconds) || seconds < 1)
    throw new Error('Cannot read --seconds: want an integer above 0');
  const tell = (name: string) =>
    console.error(`Stopped by ${name}: waiting for calls, then deleting the pods`);
  return untilInterrupted(async (signal) => {
    const run = { tree: resolve(values.tree), duration: seconds * 1000, isAlone: !values.busy, signal };
    const seen = await soak(run);
    if (signal.reason instanceof Interrupted) return signal.reason.status;
    signal.throwIfAborted();
    console.log(describe(seen));
    const problems = findProblems(seen);
    for (const problem of problems) console.log(`PROBLEM: ${problem}`);
    console.log(problems.length === 0 ? 'No problem found' : `${problems.length} problems`);
    return problems.length === 0 ? 0 : 1;
  }, tell);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 2;
}
