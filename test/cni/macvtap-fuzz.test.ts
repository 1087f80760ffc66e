/**
 * ADD and DEL of macvtaps, given random environments and configurations: each call prints one JSON
 * document or nothing, and the pod, the lower device and /dev are as before after every error and
 * after the DEL of every success. FUZZ_SEED= and FUZZ_RUNS= choose other inputs and more of them.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  arbitraryEnvironment,
  arbitraryMacvtapConf,
  arbitraryString,
  boundedCallOn,
  errorOf,
  mutateBytes,
  newRandom,
  type Random,
  runsOf,
  seedOf,
} from '../helpers/fuzz.ts';
import { newContainerId } from '../helpers/plugin/cni.ts';
import { argsOf, LOWER, type MacvtapNode, podName, withMacvtapNode } from '../helpers/plugin/macvtap-node.ts';
import { WAY, WAYS } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const test = suite('fuzzing macvtap');

const SEED = seedOf(20_261_128 + WAYS.indexOf(WAY));
const RUNS = runsOf({ 'one-shot': 30, agent: 300, fallback: 30 }[WAY]);

/** Ids that are nearly those of the node, and others. */
function arbitraryId(random: Random, { resource, ids }: MacvtapNode): string {
  const [own = ''] = ids;
  return random.pick([
    ...Array(10).fill(own),
    ids[1] ?? '',
    own.toUpperCase(),
    `${resource}-0000000001`,
    `${resource}-9999999999`,
    `../${own}`,
    `${own}\n`,
    `${own}0`,
    `-${own.slice(-10)}`,
    arbitraryString(random),
  ]);
}

function arbitraryInput(random: Random, node: MacvtapNode, pod: TestNetns) {
  const env = arbitraryEnvironment(random);
  if (env['CNI_NETNS'] !== undefined && !random.oneIn(12)) env['CNI_NETNS'] = pod.path;
  if (env['CNI_ARGS'] !== undefined && !random.oneIn(8)) env['CNI_ARGS'] = argsOf(podName(0));
  // The number of a device node follows from it; other tests run next to this one.
  if (env['CNI_CONTAINERID'] === 'pod1') env['CNI_CONTAINERID'] = newContainerId();
  if (random.oneIn(2)) env['CNI_COMMAND'] = 'ADD';
  const conf = arbitraryMacvtapConf(random, { id: arbitraryId(random, node), master: LOWER }, 1);
  const bytes = Buffer.from(JSON.stringify(conf));
  return { env, stdin: random.oneIn(10) ? mutateBytes(random, bytes) : bytes };
}

test(`${RUNS} inputs of seed ${SEED} each give one JSON document or nothing, and leave nothing`, () =>
  withMacvtapNode(
    (node) =>
      withNetns(async (pod) => {
        const random = newRandom(SEED);
        const tally = new Map<string, number>();
        const count = (what: string) => tally.set(what, (tally.get(what) ?? 0) + 1);
        node.podOf(pod); // gives the pod its device
        const look = async () => [
          await pod.ip('-d -o link show'),
          await node.netns.ip('-d -o link show'),
          node.deviceNodes(),
        ];
        const [before, whole] = [await look(), await dumpNetns(pod)];
        const place = await node.asOther();
        for (let i = 0; i < RUNS; i++) {
          const { env, stdin } = arbitraryInput(random, node, pod);
          const why = `seed ${SEED}, input ${i}: ${JSON.stringify(env)} ${stdin.toString('latin1')}`;
          const outcome = await boundedCallOn(place, env, stdin);
          const command = env['CNI_COMMAND'] ?? '';
          if (outcome.exitCode !== 0) count(`error ${errorOf(outcome, why).code}`);
          else count(`${command} succeeded`);
          if (outcome.exitCode === 0 && command === 'ADD') {
            JSON.parse(outcome.stdout);
            const del = await boundedCallOn(place, { ...env, CNI_COMMAND: 'DEL' }, stdin);
            assert.equal([del.exitCode, del.stdout], [0, ''], `DEL after ${why}`);
          }
          assert.equal(await look(), before, why);
        }
        sameNetns(await dumpNetns(pod), whole);
        const kinds = [...tally].sort().map(([what, times]) => `${what}: ${times}`);
        console.log(
          `\n@ fuzzing macvtap by ${WAY}: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}; ${kinds.join(', ')}`,
        );
        if (RUNS >= 30) assert.ok((tally.get('ADD succeeded') ?? 0) >= RUNS / 20, kinds.join(', '));
      }),
    { master: { promisc: true } },
  ));

test.run();
