/**
 * Kills the process that does the work before every kernel request of ADD and DEL, kills the shim
 * before every system call, and kills the plugin's process at random moments. The next DEL leaves
 * the netns as it was before the first ADD, and the next ADD completes.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import { newRandom, seedOf } from '../helpers/fuzz.ts';
import { HANG } from '../helpers/hang.ts';
import { type Call, cni, environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { STRACE, traceCall } from '../helpers/plugin/strace.ts';
import {
  isRequest,
  numbered,
  type Point,
  pointsOf,
  shown,
  type Trap,
  visitAll,
  withTraps,
} from '../helpers/plugin/traps.ts';
import { onlyBy, plugin, startOther, WAY } from '../helpers/plugin/way.ts';
import { giveAskedRouter } from '../helpers/pod/asked-router.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('killed at every kernel request');

async function succeeds(command: string, call: Call, why: string): Promise<void> {
  const { exitCode, stdout } = await cni(command, call);
  assert.is(exitCode, 0, `${why}: ${command} says ${stdout}`);
}

type Env = Readonly<Record<string, string>>;
type Conf = Readonly<Record<string, unknown>>;

interface End {
  readonly killed: boolean;
  readonly exitCode: number | undefined;
  readonly stdout: string;
}

/** Starts a program with the NAD's configuration on stdin. */
function start([file = '', ...words]: readonly string[], env: Env, call: Call) {
  return execa(file, words, {
    input: JSON.stringify(netconf(call)),
    env,
    extendEnv: false,
    reject: false,
    timeout: HANG,
    cwd: '/',
  });
}

async function end(running: ReturnType<typeof start>): Promise<End> {
  const { signal, exitCode, stdout } = await running;
  return { killed: signal === 'SIGKILL', exitCode, stdout };
}

// ---- pods

interface Kind {
  /** Keys of the NAD. */
  readonly conf: Conf;
  /** @param node the other netns, which may be the pod's network */
  prepare(pod: TestNetns, node: TestNetns): Promise<unknown>;
}

const GUARDED = 'macvlan with guest services and a guard of addresses';

const PODS: Readonly<Record<string, Kind>> = {
  veth: { conf: {}, prepare: async () => {} },
  'veth that is down, with a guard of MACs': {
    conf: { spoofGuard: 'mac' },
    prepare: ({ ip }) => ip('link set eth0 down'),
  },
  [GUARDED]: {
    conf: { guestAddresses: 'pod', spoofGuard: 'addresses' },
    async prepare({ ip }) {
      await ip('link set eth0 name lower0');
      await ip('link set lower0 up');
      await ip('link add eth0 link lower0 mtu 1400 type macvlan mode bridge');
      await ip('link set eth0 addrgenmode none');
      await ip('link set eth0 up');
      await ip('addr add 198.51.100.5/24 dev eth0');
      await ip('addr add 2001:db8:2::5/64 dev eth0 nodad');
      await ip('route add default via fe80::1 dev eth0');
    },
  },
  'veth with guest services, and a router that ADD must ask for': {
    conf: { guestAddresses: 'pod' },
    prepare: giveAskedRouter,
  },
};

/** A pod on which `command` can be called repeatedly. */
interface Scene {
  readonly call: Call;
  /** Prepares the pod so that the command has work to do. */
  prepared(): Promise<void>;
  /** Asserts that DEL leaves the pod as it was before ADD. */
  restored(why: string): Promise<void>;
  /** Asserts that the next ADD completes and is as good as any other. */
  completed(why: string): Promise<void>;
}

const onScene = (kind: string, command: string, act: (scene: Scene) => Promise<void>): Promise<void> =>
  withNetns((node) =>
    withPod('eth0', async (netns) => {
      const { conf, prepare } = PODS[kind] as Kind;
      await prepare(netns, node);
      // CHECK requires the result of ADD; this is that of a binding.
      const prevResult = { cniVersion: '1.0.0' };
      const call = { netns: netns.path, network: 'default', conf: { ...conf, prevResult } };
      const before = await dumpNetns(netns);
      const restored = async (why: string) => {
        await succeeds('DEL', call, why);
        sameNetns(await dumpNetns(netns), before, why);
      };
      await act({
        call,
        async prepared() {
          if (command === 'DEL') await succeeds('ADD', call, 'preparation');
        },
        restored,
        async completed(why) {
          await succeeds('ADD', call, why);
          await succeeds('CHECK', call, why);
          await restored(why);
        },
      });
    }),
  );

const oneShot = onlyBy(['one-shot'], test); // The fallback runs the very same bundle.
for (const kind of Object.keys(PODS)) {
  for (const command of ['ADD', 'DEL']) {
    oneShot(`${kind}: DEL and ADD succeed after a kill before any request of ${command}`, () =>
      withTraps((newTrap) =>
        onScene(kind, command, async (scene) => {
          const trap = newTrap();
          const variables = environmentOf(command, scene.call);
          const { words, env } = await plugin(variables);
          const run = (point: Point | null) => {
            trap.set(point);
            return end(start(words, { ...env, ...trap.env }, scene.call));
          };
          const points = await pointsOf(async () => {
            await scene.prepared();
            assert.is((await run(null)).exitCode, 0, `${command} succeeds`);
            const reached = trap.reached();
            await scene.restored('the process was not killed');
            return reached;
          });
          const requests = points.filter(isRequest);

          await scene.prepared();
          const input = JSON.stringify(netconf(scene.call));
          const { lines } = await traceCall(['sendto', 'sendmsg', 'write', 'ioctl'], variables, input);
          const slow = /nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST\|NLM_F_ACK,/;
          const traced = lines.filter(
            (line) => /^\d+ +(send\w+|write)\(\d+<NETLINK|TUNSET/.test(line) && !slow.test(line),
          );
          const short = traced.map((line) => line.slice(0, 80)).join('\n');
          assert.is(requests.length, traced.length, `kill.so reports as many requests as strace:\n${short}`);
          await scene.restored('the process was traced, but not killed');

          await visitAll(points, async (point, then) => {
            await scene.prepared();
            const { killed } = await run(point);
            const reached = trap.reached();
            // The process may end before the thread that deletes a link reaches its last close.
            assert.ok(killed || point.what === 'close netlink', `killed before ${shown(point)}`);
            if (killed) assert.equal(reached.at(-1), point);
            await scene[then](`after a kill of ${command} before ${shown(point)}`);
          });
          console.log(
            `\n@ ${kind}: ${command} killed at ${points.length} points, ${requests.length} requests`,
          );
        }),
      ),
    );
  }
}

/** The shim's error if there is no fallback and the agent died after it accepted the request. */
const LOST = /^Cannot (run|tell how) (ADD|DEL)\b/;

/** Agents that start while others are killed, because an agent takes seconds to settle. */
const STARTED_AHEAD = 3;

interface Trapped {
  readonly agent: Agent;
  readonly trap: Trap;
}

const byAgent = onlyBy(['agent'], test);
for (const command of ['ADD', 'DEL']) {
  byAgent(`DEL and ADD succeed after a kill of the agent before any request of ${command}`, () =>
    withTraps((newTrap) =>
      onScene(GUARDED, command, async (scene) => {
        const startNext = async (): Promise<Trapped> => {
          const trap = newTrap();
          const agent = await startOther({ env: trap.env });
          await agent.settled();
          return { agent, trap };
        };
        const run = async (agent: Agent, fallback: boolean): Promise<End> => {
          const { words, env } = await plugin(environmentOf(command, scene.call), agent);
          const { TAPWIRE_RUNTIME_DIR: nowhere = '', ...rest } = env;
          return end(start(words, fallback ? rest : { ...rest, TAPWIRE_RUNTIME_DIR: nowhere }, scene.call));
        };
        const points = await pointsOf(async () => {
          const { agent, trap } = await startNext();
          await scene.prepared();
          trap.set(null);
          assert.is((await run(agent, false)).exitCode, 0, `${command} succeeds`);
          const reached = trap.reached();
          await agent.stop();
          await scene.restored('the agent was not killed');
          return reached;
        });

        const waiting = Array.from({ length: STARTED_AHEAD }, startNext);
        const killAt = async (point: Point, fallback: boolean): Promise<End> => {
          const { agent, trap } = (await waiting.shift()) as Trapped;
          await scene.prepared();
          trap.set(point);
          const ended = await run(agent, fallback);
          await agent.killed();
          assert.equal(trap.reached().at(-1), point);
          waiting.push(startNext());
          return ended;
        };
        const toRequests = points.slice(points.findIndex(isRequest));
        await visitAll(toRequests, async (point, then) => {
          const why = `after a kill of the agent before ${shown(point)}`;
          // The kernel has released the lock of the dead agent. The client reports an error, or
          // with a fallback does the work itself.
          const { exitCode, stdout } = await killAt(point, then === 'completed');
          // After the last request, the agent may have sent its reply.
          if (then === 'completed' || (exitCode === 0 && !isRequest(point)))
            assert.is(exitCode, 0, `${why}: ${stdout}`);
          else {
            assert.is(exitCode, 1, `${why}: ${stdout}`);
            const { code, msg } = JSON.parse(stdout);
            assert.is(code, 11, why);
            assert.match(msg, LOST, why);
          }
          await scene[then](why);
        });
        for (const { agent } of await Promise.all(waiting)) await agent.stop();
        console.log(`\n@ ${command}: agent killed at ${toRequests.length} points`);
      }),
    ),
  );
}

// ---- the shim

/**
 * System calls whose number depends on the load of the machine, and on other calls that hold the
 * node's lock.
 */
const WAITING = ['ppoll', 'read', 'clock_gettime', 'newfstatat', 'flock'];

/** Reads the shim's system calls up to the exec that replaces the shim with Node.js. */
function systemCalls(log: string): readonly Point[] {
  const names = log.split('\n').flatMap((line) => /^(\w+)\(/.exec(line)?.[1] ?? []);
  const points = numbered(names.slice(1)); // The first is the exec by strace.
  const becomes = points.findIndex(({ what }) => what === 'execve');
  return becomes === -1 ? points : points.slice(0, becomes + 1);
}

const byShim = onlyBy(['agent', 'fallback'], test); // Container runtimes do not call the bundle.
for (const command of ['ADD', 'DEL']) {
  byShim(`DEL and ADD succeed after a kill of the shim before any system call of ${command}`, () =>
    onScene('veth', command, async (scene) => {
      const directory = mkdtempSync(join(tmpdir(), 'tapwire-strace-'));
      try {
        const log = join(directory, 'log');
        const traced = async (inject: readonly string[]): Promise<End> => {
          const { words, env } = await plugin(environmentOf(command, scene.call));
          await scene.prepared();
          return end(start([STRACE, '-o', log, ...inject, ...words], env, scene.call));
        };
        assert.is((await traced([])).exitCode, 0);
        const points = systemCalls(readFileSync(log, 'utf8'));
        await scene.restored('the shim was not killed');
        assert.ok(points.length > 20, `${points.length} system calls`);
        for (const point of points) {
          const inject = ['-e', `inject=${point.what}:signal=SIGKILL:when=${point.nth}`];
          const { killed } = await traced(inject);
          assert.ok(killed || WAITING.includes(point.what), `killed before ${shown(point)}`);
          const last = point === points.at(-1);
          const why = `after a kill of the shim before ${shown(point)}`;
          await scene[last || points.indexOf(point) % 4 === 0 ? 'completed' : 'restored'](why);
        }
      } finally {
        rmSync(directory, { recursive: true });
      }
    }),
  );
}

// ---- any process, at any time

const SEED = seedOf(3);
const RANDOM_KILLS = 30;
/** Upper limit of the random delay in ms: a little longer than a call takes. */
const LONGEST = { 'one-shot': 90, agent: 8, fallback: 120 }[WAY];

test(`DEL restores and ADD completes after a kill of the plugin at random moments, seed ${SEED}`, () =>
  onScene('veth', 'ADD', async ({ call, restored, completed }) => {
    const random = newRandom(SEED);
    for (let round = 0; round < RANDOM_KILLS; round++) {
      const command = random.pick(['ADD', 'DEL']);
      if (command === 'DEL') await succeeds('ADD', call, `round ${round}`);
      const delay = random.below(LONGEST);
      const { words, env } = await plugin(environmentOf(command, call));
      const running = start(words, env, call);
      const timer = setTimeout(() => running.kill('SIGKILL'), delay);
      await running;
      clearTimeout(timer);
      const why = `round ${round} of seed ${SEED}, ${command} killed after ${delay} ms`;
      await (random.oneIn(2) ? completed(why) : restored(why));
    }
  }));

test.run();
