/**
 * Kills the process that does the work before every request of ADD and DEL of a macvtap, and lets
 * every request fail. The next DEL leaves nothing in the pod and in /dev, and the next ADD
 * completes.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newRandom, seedOf } from '../helpers/fuzz.ts';
import { type Before, onScene, run, type Scene } from '../helpers/plugin/macvtap-scene.ts';
import {
  isRequest,
  type Point,
  pointsOf,
  shown,
  type Trap,
  visitAll,
  withTraps,
} from '../helpers/plugin/traps.ts';
import { onlyBy, startOther, WAY } from '../helpers/plugin/way.ts';

const test = suite('a macvtap and a plugin that is killed, or whose requests fail');

const CASES = [
  ['ADD', 'nothing'],
  ['ADD', 'ADD and a lost device node'],
  ['DEL', 'ADD'],
  ['DEL', 'ADD that makes the device node'],
] as const satisfies readonly (readonly [string, Before])[];

/** Whether a kill before this point may leave something: closed descriptors do not. */
const matters = (point: Point): boolean => isRequest(point) || /^(file |write$)/.test(point.what);

/** Finds the points that the command reaches. */
const findPoints = (scene: Scene, command: string, trap: Trap, act: () => ReturnType<typeof run>) =>
  pointsOf(async () => {
    await scene.prepared();
    trap.set(null);
    const { exitCode, stdout } = await act();
    assert.is(exitCode, 0, `${command} succeeds: ${stdout}`);
    const reached = trap.reached().filter(matters);
    await scene.restored('nothing was killed');
    return reached;
  });

const tell = (what: string, points: readonly Point[]): void =>
  console.log(
    `\n@ ${what} at ${points.length} points by ${WAY}: ${points.map(({ what }) => what).join(', ')}`,
  );

const oneShot = onlyBy(['one-shot'], test); // The fallback runs the very same bundle.
for (const [command, before] of CASES) {
  oneShot(`DEL and ADD succeed after a kill before any request of ${command}, after ${before}`, () =>
    withTraps((newTrap) =>
      onScene(before, async (scene) => {
        const trap = newTrap();
        const act = () => run(scene.node, command, scene.call, { env: trap.env });
        const points = await findPoints(scene, command, trap, act);
        await visitAll(points, async (point, then) => {
          await scene.prepared();
          trap.set(point);
          assert.ok((await act()).killed, `killed before ${shown(point)}`);
          assert.equal(trap.reached().at(-1), point);
          await scene[then](`after a kill of ${command} before ${shown(point)}`);
        });
        tell(`${command} after ${before} killed`, points);
      }),
    ),
  );
}

/** The shim's error if there is no fallback and the agent died after it accepted the request. */
const LOST = /^Cannot (run|tell how) (ADD|DEL)\b/;
/** Agents that start while others are killed. */
const STARTED_AHEAD = 3;

const byAgent = onlyBy(['agent'], test);
for (const [command, before] of [CASES[0], CASES[3]]) {
  byAgent(
    `DEL and ADD succeed after a kill of the agent before any request of ${command}, after ${before}`,
    () =>
      withTraps((newTrap) =>
        onScene(before, async (scene) => {
          const { node, call } = scene;
          const startNext = async () => {
            const trap = newTrap();
            return {
              trap,
              agent: await startOther({ under: node.under, nodeFile: node.nodeFile, env: trap.env }),
            };
          };
          const first = await startNext();
          const points = await findPoints(scene, command, first.trap, () =>
            run(node, command, call, { agent: first.agent }),
          );
          await first.agent.stop();
          // Until the hello, which is the first "write", the shim waits for another agent.
          const toRequests = points.slice(points.findIndex(isRequest));

          const waiting = Array.from({ length: STARTED_AHEAD }, startNext);
          await visitAll(toRequests, async (point, then) => {
            const { agent, trap } = (await waiting.shift()) as Awaited<ReturnType<typeof startNext>>;
            waiting.push(startNext());
            const why = `after a kill of the agent before ${shown(point)}`;
            await scene.prepared();
            trap.set(point);
            const { exitCode, stdout } = await run(node, command, call, { agent });
            await agent.killed();
            assert.is(exitCode, 1, `${why}: ${stdout}`);
            const { code, msg } = JSON.parse(stdout);
            assert.is(code, 11, why);
            assert.match(msg, LOST, why);
            await scene[then](why);
          });
          for (const { agent } of await Promise.all(waiting)) await agent.stop();
          tell(`${command} after ${before}: agent killed`, toRequests);
        }),
      ),
  );
}

/** ENOMEM: any request may fail like this. */
const ENOMEM = 12;

for (const [command, before] of CASES) {
  onlyBy(['agent', 'one-shot'], test)(
    `${command} after ${before} either undoes everything or succeeds if any of its requests fails`,
    () =>
      withTraps((newTrap) =>
        onScene(before, async (scene) => {
          const { node, call } = scene;
          const trap = newTrap();
          const { under, nodeFile } = node;
          const agent = WAY === 'agent' ? await startOther({ under, nodeFile, env: trap.env }) : undefined;
          const how = agent === undefined ? { env: trap.env } : { agent };
          const act = () => run(node, command, call, how);
          const points = (await findPoints(scene, command, trap, act)).filter(({ what }) => what !== 'write');
          let failed = 0;
          for (const point of points) {
            const why = `${command} after ${before}, with ${shown(point)} failing`;
            await scene.prepared();
            trap.set(point, ENOMEM);
            const { exitCode, stdout } = await act();
            trap.reached();
            if (exitCode === 0) {
              await scene.completed(why);
              continue;
            }
            failed += 1;
            const { code, msg } = JSON.parse(stdout);
            assert.ok([11, 104].includes(code), `${why}: ${stdout}`);
            assert.match(msg, /^Cannot /, why);
            if (before === 'nothing') await scene.isAsBefore(why);
            await scene.completed(why);
          }
          assert.ok(failed >= points.length / 2, `${failed} of ${points.length} calls failed`);
          await agent?.stop();
          tell(`${command} after ${before}: ${failed} failed`, points);
        }),
      ),
  );
}

// ---- any process, at any time

const SEED = seedOf(15);
const RANDOM_KILLS = 30;
/** Upper limit of the random delay in ms: a little longer than a call takes. */
const LONGEST = { 'one-shot': 250, agent: 40, fallback: 280 }[WAY];

test(`DEL restores and ADD completes after a kill of the plugin at random moments, seed ${SEED}`, () =>
  onScene('nothing', async ({ node, call, restored, completed }) => {
    const random = newRandom(SEED);
    for (let round = 0; round < RANDOM_KILLS; round++) {
      const command = random.pick(['ADD', 'DEL']);
      if (command === 'DEL') await node.succeeds('ADD', call, `round ${round}`);
      const delay = random.below(LONGEST);
      const why = `round ${round} of seed ${SEED}, ${command} killed after ${delay} ms`;
      const { agent } = await node.asOther();
      await run(node, command, call, { ...(agent === undefined ? {} : { agent }), delay });
      await (random.oneIn(2) ? completed(why) : restored(why));
    }
  }));

test.run();
