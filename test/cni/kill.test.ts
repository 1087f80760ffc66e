/**
 * SIGKILL before every kernel request of ADD and DEL, and at random moments: the next DEL leaves the netns as it was before
 * ADD, the next ADD completes.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Call, cni, netconf, TAPWIRE } from '../helpers/cni.ts';
import { newRandom, seedOf } from '../helpers/fuzz.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/netns.ts';

const test = suite('killed at every kernel request');

const STRACE = '/usr/bin/strace';
const RANDOM_KILLS = 30;
/** Nothing here takes a second; what hangs must not hang the suite. */
const PATIENCE = 20_000; // ms

/** Calls of the process that change the netns or let go of something: netlink requests, TUN ioctls, closes, child processes. */
const SYSCALLS = ['write', 'ioctl', 'close', 'clone'] as const;
type Syscall = (typeof SYSCALLS)[number];

/** The `when`th call of that kind on the main thread, which makes all of them. */
interface Point {
  readonly syscall: Syscall;
  readonly when: number;
  /** As strace wrote it. */
  readonly line: string;
}

const isRequest = ({ line }: Point): boolean => /^write\(\d+<NETLINK/.test(line) || /TUNSET/.test(line);

/** A request that only asks: the flags of its header are REQUEST and DUMP (octal, as strace writes bytes). */
const isDump = ({ line }: Point): boolean =>
  /^write\(\d+<NETLINK[^"]*"(?:\\\d+|\\.|[^\\]){6}\\1\\3/.test(line);

/** Whether the call may have changed what the next process finds; closing a tap that is not persistent removes it. */
const changes = (point: Point): boolean =>
  (isRequest(point) && !isDump(point)) || /^close\(\d+<(\/dev\/net\/tun|NETLINK)/.test(point.line);

/** The environment of `cni()`, for a process that we start ourselves. */
const environmentOf = (command: string, call: Call): Record<string, string> => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: call.containerId ?? 'pod1',
  CNI_NETNS: call.netns,
  CNI_IFNAME: call.ifname ?? 'net1',
  CNI_PATH: '/opt/cni/bin',
  PATH: '',
});

/** Runs the executable under strace; returns the calls that it made until it ended or was killed. */
async function traced(command: string, call: Call, kill?: Pick<Point, 'syscall' | 'when'>) {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-strace-'));
  try {
    const log = join(folder, 'log');
    const inject =
      kill === undefined ? [] : ['-e', `inject=${kill.syscall}:signal=SIGKILL:when=${kill.when}`];
    const { signal, exitCode } = await execa(
      STRACE,
      ['-yy', '-s', '16', '-o', log, '-e', `trace=${SYSCALLS.join(',')}`, ...inject, TAPWIRE],
      {
        input: JSON.stringify(netconf(call)),
        env: environmentOf(command, call),
        extendEnv: false,
        reject: false,
        timeout: PATIENCE,
        killSignal: 'SIGTERM',
        cwd: '/',
      },
    );
    const text = readFileSync(log, 'utf8');
    const lines = text.split('\n').filter((line) => /^\w+\(/.test(line));
    return { killed: signal === 'SIGKILL', exitCode, points: toPoints(lines) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function toPoints(lines: readonly string[]): readonly Point[] {
  const counts = new Map<string, number>();
  return lines.flatMap((line) => {
    const syscall = SYSCALLS.find((name) => line.startsWith(`${name}(`));
    if (syscall === undefined) return [];
    const when = (counts.get(syscall) ?? 0) + 1;
    counts.set(syscall, when);
    return [{ syscall, when, line }];
  });
}

/** Every request, and between them what lets go of a descriptor of the netns, starts a child there, or answers. */
const BETWEEN =
  /^close\(\d+<(\/dev\/net\/tun|NETLINK|\/run\/netns)|^clone\(|^ioctl\(.*NS_GET_NSTYPE|^write\(1</;
const isPoint = (point: Point): boolean => isRequest(point) || BETWEEN.test(point.line);

async function succeeds(command: string, call: Call, why: string): Promise<void> {
  const { exitCode, stdout } = await cni(command, call);
  assert.is(exitCode, 0, `${why}: ${command} says ${stdout}`);
}

const PODS: Readonly<Record<string, (netns: TestNetns) => Promise<unknown>>> = {
  veth: async () => {},
  macvlan: async ({ ip }) => {
    await ip('link set eth0 name lower0');
    await ip('link set lower0 up');
    await ip('link add eth0 link lower0 mtu 1400 type macvlan mode bridge');
    await ip('link set eth0 addrgenmode none');
    await ip('link set eth0 up');
  },
};

for (const [kind, prepare] of Object.entries(PODS)) {
  const withCall = (act: (call: Call, netns: TestNetns) => Promise<void>) =>
    withPod('eth0', async (netns) => {
      await prepare(netns);
      // CHECK is only for who kept the result of ADD; it is that of a binding.
      const prevResult = { cniVersion: '1.0.0' };
      await act({ netns: netns.path, network: 'default', conf: { prevResult } }, netns);
    });

  for (const command of ['ADD', 'DEL']) {
    test(`${kind}: ${command} killed before each of its requests`, () =>
      withCall(async (call, netns) => {
        const before = await dumpNetns(netns);
        const prepared = async () => {
          if (command === 'DEL') await succeeds('ADD', call, 'preparation');
        };
        const restored = async (why: string) => {
          await succeeds('DEL', call, why);
          sameNetns(await dumpNetns(netns), before, why);
        };
        await prepared();
        const whole = await traced(command, call);
        assert.is(whole.exitCode, 0, `${command} succeeds under strace`);
        await restored('nobody was killed');

        const points = whole.points.filter(isPoint);
        const died = new Set<string>();
        const killAt = async (point: Point) => {
          await prepared();
          const run = await traced(command, call, point);
          assert.ok(run.killed, `killed before ${point.line}`);
          const last = run.points.at(-1);
          if (last !== undefined && isRequest(last)) died.add(requestOf(last));
        };
        for (const [index, point] of points.entries()) {
          const why = `after a kill of ${command} before ${point.line}`;
          await killAt(point);
          await restored(`DEL ${why}`);
          const previous = points[index - 1];
          if (previous !== undefined && !changes(previous)) continue; // the next ADD finds what it found before
          await killAt(point);
          await succeeds('ADD', call, why);
          await succeeds('CHECK', call, why);
          await restored(`ADD and DEL ${why}`);
        }
        const requests = points.filter(isRequest).map(requestOf);
        assert.ok(requests.length >= (command === 'ADD' ? 15 : 8), `${requests.length} requests`);
        assert.equal(
          requests.filter((request) => !died.has(request)),
          [],
          'some process died before each request',
        );
        console.log(
          `\n@ ${kind}: ${command} killed at ${points.length} points, ${requests.length} of them requests`,
        );
      }));
  }
}

/** A netlink request by its number in the conversation, an ioctl by its name. */
function requestOf({ syscall, when, line }: Point): string {
  return syscall === 'ioctl' ? (/TUNSET\w+/.exec(line)?.[0] ?? line) : `${syscall} ${when}`;
}

const SEED = seedOf(3);
test(`killed at random moments, seed ${SEED}`, () =>
  withPod('eth0', async (netns) => {
    const random = newRandom(SEED);
    const call = { netns: netns.path, network: 'default', conf: { prevResult: { cniVersion: '1.0.0' } } };
    const before = await dumpNetns(netns);
    for (let round = 0; round < RANDOM_KILLS; round++) {
      const command = random.pick(['ADD', 'DEL']);
      if (command === 'DEL') await succeeds('ADD', call, `round ${round}`);
      const delay = random.below(90);
      const child = execa(TAPWIRE, [], {
        input: JSON.stringify(netconf(call)),
        env: environmentOf(command, call),
        extendEnv: false,
        reject: false,
        cwd: '/',
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), delay);
      await child;
      clearTimeout(timer);
      const why = `round ${round} of seed ${SEED}, ${command} killed after ${delay} ms`;
      if (random.oneIn(2)) {
        await succeeds('ADD', call, why);
        await succeeds('CHECK', call, why);
      }
      await succeeds('DEL', call, why);
      sameNetns(await dumpNetns(netns), before, why);
    }
  }));

test.run();
