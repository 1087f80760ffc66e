/**
 * Pods, and a pod and a user who work against them, on one node for minutes. Random calls are made,
 * and random callers, agents and one-shots are killed. Says what the others have noticed of it.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../../shared/errors.ts';
import { Interrupted, untilInterrupted } from '../helpers/lab/interruption.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';
import { attack } from './hostile-pod.ts';
import { live, withPods } from './neighbour.ts';
import { buildOf, type Node, withNode } from './node.ts';
import { describe, findProblems, type Outcome, type Sample, type Seen } from './verdict.ts';

const USAGE = `Usage: npm run soak [-- options]

Wires and unwires 20 pods at random for some minutes, kills callers and agents, and lets one pod and one user work against
the others. Needs root.

  --seconds N  how long (default 600)
  --tree DIR   test the build in this checkout (default: this one)
  --help       print this help

Exit status: 0 nobody has noticed, 1 somebody has, 2 cannot run.`;

const PODS = 20;
/** Mean time between two agents' deaths, in ms. */
const AGENT_LIFE = 60_000;
/** An agent that was started so long ago must be alive, in ms. */
const START_TIME = 10_000;
const SAMPLE_INTERVAL = 500;
const CHECKOUT = resolve(import.meta.dirname, '../..');

async function soak(tree: string, seconds: number, signal: AbortSignal): Promise<Seen> {
  const build = buildOf(tree);
  const outcomes: Outcome[] = [];
  const samples: Sample[] = [];
  const problems: string[] = [];
  const say = (text: string) => console.log(`${performance.now().toFixed(0).padStart(7)} ms  ${text}`);
  const reports = {
    outcome: (outcome: Outcome) => outcomes.push(outcome),
    problem: (text: string) => problems.push(text),
    attack: (name: string) => say(`the hostile pod: ${name}`),
  };
  const devices = devicesIn();
  await withNode(build, (node) =>
    withPods(PODS, build.isNew, (pods) =>
      withDirectory(async (directory) => {
        const end = performance.now() + seconds * 1000;
        const isOver = () => signal.aborted || performance.now() > end;
        const user = startUser(node);
        say(`${PODS} pods, for ${seconds} s`);
        try {
          await Promise.all([
            ...pods.map((pod) => live(pod, node, reports, isOver)),
            attack(node, directory, reports, isOver),
            watch(node, reports.problem, samples, isOver, say),
          ]);
        } finally {
          user.kill('SIGKILL');
        }
      }),
    ),
  );
  const left = devicesIn().filter((name) => !devices.includes(name));
  if (left.length > 0) problems.push(`device nodes are left: ${left.join(', ')}`);
  return { outcomes, samples, problems };
}

const devicesIn = (): readonly string[] => readdirSync('/dev').filter((name) => name.startsWith('tap'));

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
  isOver: () => boolean,
  say: (text: string) => void,
): Promise<void> {
  let born = performance.now();
  let death = born + AGENT_LIFE * (0.5 + Math.random());
  while (!isOver()) {
    await sleep(SAMPLE_INTERVAL);
    const illness = await node.illness();
    if (illness !== null && performance.now() - born > START_TIME)
      problem(`the agent is not alive: ${illness}`);
    samples.push(node.sample());
    if (performance.now() < death) continue;
    say('the agent is killed');
    await node.restart();
    born = performance.now();
    death = born + AGENT_LIFE * (0.5 + Math.random());
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      tree: { type: 'string', default: CHECKOUT },
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
  const tell = (name: string) => console.error(`Stopped by ${name}: deleting the pods`);
  return untilInterrupted(async (signal) => {
    const seen = await soak(resolve(values.tree), seconds, signal);
    if (signal.reason instanceof Interrupted) return signal.reason.status;
    console.log(describe(seen));
    const problems = findProblems(seen);
    for (const problem of problems) console.log(`PROBLEM: ${problem}`);
    console.log(problems.length === 0 ? 'Nobody has noticed' : `${problems.length} problems`);
    return problems.length === 0 ? 0 : 1;
  }, tell);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 2;
}
