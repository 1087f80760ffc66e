/**
 * An agent that is killed at any moment: its clients still get what they asked for, and nothing is
 * left half done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import { succeeded, withEmptyNode, within } from '../helpers/agent/agent-node.ts';
import { newRandom, seedOf } from '../helpers/fuzz.ts';
import { dumpNetns, sameNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('an agent that is killed');

const SEED = seedOf(20);
const KILLS = 20;

test(`ADD and DEL succeed when the agent is killed at ${KILLS} random moments while the next one starts, seed ${SEED}`, () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const random = newRandom(SEED);
      const before = await dumpNetns(pod);
      let agent = await node.start();
      let byAgent = 0;
      for (let round = 0; round < KILLS; round++) {
        const command = random.pick(['ADD', 'DEL']);
        const delay = random.below(8);
        const why = `round ${round} of seed ${SEED}, ${command}, agent killed after ${delay} ms`;
        if (command === 'DEL') succeeded(await node.call('ADD', pod), why);
        const calling = node.call(command, pod, { helloSecond: 1000 }); // as on a real node
        await sleep(delay);
        agent.kill('SIGKILL');
        await agent.killed();
        const next = node.start();
        const answer = await within(why, calling);
        succeeded(answer, why);
        if (!answer.stderr.includes('without')) byAgent++;
        agent = await next;
        if (command === 'ADD') {
          succeeded(await node.call('CHECK', pod, { conf: { prevResult: { cniVersion: '1.0.0' } } }), why);
          succeeded(await node.call('DEL', pod), why);
        }
        sameNetns(await dumpNetns(pod), before, why);
      }
      console.log(
        `\n@ agent killed ${KILLS} times, seed ${SEED}: ${byAgent} calls done by an agent all the same`,
      );
      await agent.stop();
    }),
  ));

test.run();
