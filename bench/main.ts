/**
 * `npm run bench`: compares Tapwire with Go's CNI plugins on this machine, in namespaces of its
 * own.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf } from '../shared/errors.ts';
import { Interrupted } from '../test/helpers/lab/interruption.ts';
import { type Arguments, isFullRun, parseArguments, type Section, USAGE } from './arguments.ts';
import type { Bench } from './bench.ts';
import { findGoPlugins } from './go-plugins.ts';
import { insideCgroup, runIsolated } from './isolation.ts';
import { startKubelet } from './kubelet.ts';
import { describeMachine } from './machine.ts';
import { KUBELET, PLACE, prepareNode, RUNNER, STDERR } from './node.ts';
import { goPeers, guestPeer, macvtapPeers, tapwirePeers } from './peers.ts';
import { drawResults } from './plot.ts';
import { AGENT, ofPeer, type Results } from './results.ts';
import { startRunner } from './runner.ts';
import { measureAtOnce } from './sections/at-once.ts';
import { measureCalls } from './sections/calls.ts';
import { measureFloor } from './sections/floor.ts';
import { measureGrowth } from './sections/growth.ts';
import { measureHooks } from './sections/hooks.ts';
import { measureLimits } from './sections/limits.ts';
import { measurePassage } from './sections/passage.ts';
import { describeResults } from './table.ts';
import { describeTargets, judge } from './targets.ts';

/** Measures a section. Each adds its own fields to the results. */
const MEASURE: Readonly<Record<Section, (bench: Bench) => Promise<Partial<Results>>>> = {
  calls: async (bench) => ({ calls: await measureCalls(bench) }),
  'at-once': async (bench) => ({ atOnce: await measureAtOnce(bench) }),
  growth: async (bench) => ({ growth: await measureGrowth(bench) }),
  limits: async (bench) => ({ limits: await measureLimits(bench) }),
  floor: async (bench) => ({ floor: await measureFloor(bench) }),
  passage: async (bench) => ({ passage: await measurePassage(bench) }),
  hooks: async (bench) => ({ hooks: await measureHooks(bench) }),
};

async function measure(cgroup: string, { sections, rounds, peers: guests }: Arguments): Promise<Results> {
  const agents = await prepareNode(cgroup);
  if (agents === null) console.log('Found no agent in dist/agent: measuring Tapwire without it.\n');
  const visitors = guests.map(({ name, program, conf }) =>
    guestPeer(name, resolve(program), JSON.parse(readFileSync(conf, 'utf8'))),
  );
  const macvtaps = agents === null ? [] : macvtapPeers(PLACE, await startKubelet(KUBELET));
  const plugins = await findGoPlugins();
  const ours = [...tapwirePeers(PLACE, agents !== null), ...macvtaps];
  const peers = [...ours, ...goPeers(PLACE, plugins), ...visitors];
  let results: Results = { machine: describeMachine(plugins.version) };
  for (const section of sections) {
    const runner = startRunner(RUNNER, STDERR);
    const tell = (progress: string) => say(`  ${section}: ${progress}`);
    if (!process.stdout.isTTY) console.log(`Measuring ${section}`);
    results = { ...results, ...(await MEASURE[section]({ runner, agents, peers, rounds, cgroup, tell })) };
    await runner.close();
  }
  say('');
  return results;
}

/**
 * Prints a line of progress. On a terminal it replaces the previous one; elsewhere nothing is
 * printed.
 */
function say(line: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}`);
}

/** Writes the results; those of a full run replace the ones in the repository. */
function write(results: Results, isFull: boolean): void {
  const directory = resolve(import.meta.dirname, isFull ? '.' : '../build/bench');
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/results.json`, `${JSON.stringify(results, null, 2)}\n`);
  if (results.calls !== undefined) writeFileSync(`${directory}/results.svg`, drawResults(results));
  console.log(`\nWritten to ${directory}.`);
}

async function main(): Promise<number> {
  const args = parseArguments(process.argv.slice(2));
  if (args.help) {
    console.log(USAGE);
    return 0;
  }
  const cgroup = insideCgroup();
  if (cgroup === null) return runIsolated(process.argv.slice(1));
  process.stdout.on('error', () => process.exit(1)); // The terminal is closed.
  const results = await measure(cgroup, args);
  console.log(describeResults(results));
  console.log(describeTargets(judge(results)));
  const hasAgent = ofPeer(results.calls, AGENT) !== undefined;
  write(results, isFullRun(args) && hasAgent);
  return 0;
}

try {
  process.exit(await main()); // ends the agent, too, which would otherwise run for ever
} catch (error) {
  if (error instanceof Interrupted) {
    console.error(`${error.message}; the benchmark left nothing behind.`);
    process.exit(error.status);
  }
  console.error(`\nCannot complete the benchmark: ${messageOf(error)}`);
  process.exit(1);
}
