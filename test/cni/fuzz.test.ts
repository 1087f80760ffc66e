/**
 * The executable, given random environments and bytes: it ends and prints one JSON document or
 * nothing, and the netns is as before after every error and after the DEL of every success.
 * FUZZ_SEED= and FUZZ_RUNS= choose other inputs and more of them.
 */
import { closeSync, openSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openKernel } from '../../cni/kernel/kernel.ts';
import {
  arbitraryBytes,
  arbitraryConf,
  arbitraryEnvironment,
  boundedCall,
  errorOf,
  newRandom,
  type Random,
  runsOf,
  seedOf,
} from '../helpers/fuzz.ts';
import { WAY, WAYS } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('fuzzing the executable');

/** Each way has inputs of its own; all together are 1,000. */
const SEED = seedOf(20_260_803 + 1000 * WAYS.indexOf(WAY));
/**
 * Most inputs go through the agent, which serves one in a hundredth of the time that a new process
 * takes.
 */
const RUNS = runsOf({ 'one-shot': 100, agent: 800, fallback: 100 }[WAY]);
/** As many processes at once as the smallest machine has cores. */
const WORKERS = 2;
/**
 * Number of runs between comparisons of the whole netns. What Tapwire itself can see of it is
 * compared after each run.
 */
const WHOLE = 100;

interface Input {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Buffer;
}

/** Returns mostly a call that gets as far as the netns, with something odd in it. */
function arbitraryCall(random: Random, netns: string): Input {
  const env = arbitraryEnvironment(random);
  if (!random.oneIn(8) && env['CNI_NETNS'] !== undefined) env['CNI_NETNS'] = netns;
  if (random.oneIn(2)) env['CNI_COMMAND'] = 'ADD';
  return { env, stdin: random.oneIn(8) ? arbitraryBytes(random) : configuration(random) };
}

function configuration(random: Random): Buffer {
  const conf = arbitraryConf(random, 2);
  if (random.oneIn(3)) delete conf['args']; // as a network's NAD, not a binding's
  if (conf['podLink'] === undefined || random.oneIn(2)) delete conf['podLink'];
  return Buffer.from(JSON.stringify(conf));
}

/**
 * Reads links, qdiscs, filters and addresses from the kernel, a hundred times faster than ip(8) and
 * tc(8) would.
 */
async function look({ path }: TestNetns): Promise<string> {
  const fd = openSync(path, 'r');
  const kernel = await openKernel(fd);
  try {
    return JSON.stringify([await kernel.observe(), await kernel.addresses()]);
  } finally {
    await kernel.close();
    closeSync(fd);
  }
}

const tally = new Map<string, number>();
const count = (what: string): unknown => tally.set(what, (tally.get(what) ?? 0) + 1);

/** Makes one call and, if it succeeded, the DEL that belongs to it. */
async function run({ env, stdin }: Input, why: string): Promise<void> {
  const outcome = await boundedCall(env, stdin);
  const command = env['CNI_COMMAND'] ?? '';
  if (outcome.exitCode !== 0) {
    const { code } = errorOf(outcome, why);
    count(`error ${code}`);
    return;
  }
  assert.not(outcome.timedOut, why);
  count(`${command || 'no command'} succeeded`);
  if (command === 'ADD' || command === 'VERSION') JSON.parse(outcome.stdout);
  else assert.is(outcome.stdout, '', why);
  if (command !== 'ADD') return;
  const del = await boundedCall({ ...env, CNI_COMMAND: 'DEL' }, stdin);
  assert.equal([del.exitCode, del.stdout], [0, ''], `DEL after ${why}`);
}

async function work(worker: number, runs: number): Promise<void> {
  const random = newRandom(SEED + worker);
  await withPod('eth0', async (pod) => {
    await pod.ip('link add pod16477688c0e type veth peer name host1');
    await pod.ip('link set pod16477688c0e addrgenmode none');
    await pod.ip('addr add 198.51.100.5/24 dev pod16477688c0e');
    const before = await dumpNetns(pod);
    const seen = await look(pod);
    for (let i = 0; i < runs; i++) {
      const input = arbitraryCall(random, pod.path);
      const shown = `${JSON.stringify(input.env)} ${JSON.stringify(input.stdin.toString('latin1').slice(0, 2000))}`;
      const why = `seed ${SEED}, worker ${worker}, input ${i}: ${shown}`;
      await run(input, why).catch((error) => {
        throw new Error(`${why}\n${error.stack}`);
      });
      assert.is(await look(pod), seen, why);
      if (i % WHOLE === 0) sameNetns(await dumpNetns(pod), before, why);
    }
    sameNetns(await dumpNetns(pod), before);
  });
}

test(`${RUNS} inputs of seed ${SEED} each give one JSON document or nothing, and leave the netns as it was`, async () => {
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker, Math.ceil(RUNS / WORKERS))));
  const kinds = [...tally].sort().map(([what, times]) => `${what}: ${times}`);
  console.log(`\n@ fuzzing by ${WAY}: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}; ${kinds.join(', ')}`);
  if (RUNS < 100) return;
  const added = tally.get('ADD succeeded') ?? 0;
  assert.ok(added >= RUNS / 20, `${added} inputs were good enough for ADD`);
});

test.run();
