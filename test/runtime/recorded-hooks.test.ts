/**
 * Replays every hook request that a cluster's virt-launcher sent (fixtures/recorded) to the bundled
 * sidecar over its socket: in a pod with the recorded wiring, with the recorded environment, in the
 * recorded order.
 */
import { existsSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { HANG } from '../helpers/hang.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { recordedJson, replayed } from '../helpers/plugin/recorded.ts';
import { addMacvlan, withRecordedPod } from '../helpers/plugin/recorded-pod.ts';
import type { TestNetns } from '../helpers/pod/netns.ts';
import { startForeignSidecar } from '../helpers/sidecar/foreign-sidecar.ts';
import { callRaw, collectHooks } from '../helpers/sidecar/hook-api.ts';
import {
  type RecordedSidecar,
  type RecordedVm,
  recordedVms,
  wiringOf,
} from '../helpers/sidecar/recorded-hooks.ts';
import { makeHookDirectory, type Sidecar, withHookPlace, withSidecar } from '../helpers/sidecar/sidecar.ts';

const test = suite('hook requests recorded in a cluster');

const BUNDLE = { program: 'dist/sidecar/index.js', openFiles: 20_000 };

/** A pod with the links of the VM's networks, wired by the plugin. */
async function withWiredPod(vm: RecordedVm, act: (netns: TestNetns) => Promise<void>): Promise<void> {
  const wirings = wiringOf(vm);
  const mac = wirings.find(({ podLink }) => podLink === 'eth0')?.mac ?? '';
  const eth0 = { mac, addresses: ['10.244.0.21/24', 'fd00:10:244::15/64'], gateways: [] };
  await withRecordedPod({ eth0 }, async (netns, node) => {
    for (const [i, { network, podLink, mac, conf }] of wirings.entries()) {
      if (podLink !== 'eth0') await addMacvlan(netns, node, podLink, mac);
      const { exitCode, stdout } = await cni('ADD', { netns: netns.path, ifname: `net${i}`, network, conf });
      assert.is(exitCode, 0, stdout);
    }
    await act(netns);
  });
}

interface Running {
  /** The sidecar's socket. */
  readonly socket: string;
  /** Ends a running sidecar of Tapwire's and returns its log. */
  readonly end: () => Promise<{ readonly code: number | string; readonly log: readonly object[] } | null>;
}

/** Starts the pod's sidecars; the first ones contain the others. */
function withSidecars(
  [first, ...others]: readonly RecordedSidecar[],
  place: string,
  netns: TestNetns,
  act: (running: ReadonlyMap<string, Running>) => Promise<void>,
  started: ReadonlyMap<string, Running> = new Map(),
): Promise<void> {
  if (first === undefined) return act(started);
  const { name, env, isOurs } = first;
  const directory = makeHookDirectory(`${place}/hooks/${name}`);
  const next = (running: Running) =>
    withSidecars(others, place, netns, act, new Map([...started, [name, running]]));
  if (!isOurs) return withEcho(`${directory}/echo.sock`, next);
  return withSidecar(
    netns,
    place,
    { ...env, TAPWIRE_HOOK_DIR: directory },
    async (sidecar) => {
      const hooks = await collectHooks(`${place}/hooks`, 'nested', started.size + 1);
      const socket = hooks.find((hook) => hook.socket.startsWith(directory))?.socket ?? '';
      await next({ socket, end: () => endOf(sidecar) });
    },
    BUNDLE,
  );
}

async function withEcho(socket: string, act: (running: Running) => Promise<void>): Promise<void> {
  const hookPoints = ['OnDefineDomain', 'PreCloudInitIso', 'Shutdown'];
  const { stop } = await startForeignSidecar(socket, hookPoints, 'echo');
  try {
    await act({ socket, end: async () => null });
  } finally {
    stop();
  }
}

async function endOf(sidecar: Sidecar) {
  sidecar.kill('SIGTERM');
  return { code: await sidecar.ended(), log: sidecar.log() };
}

/**
 * A line of the log with the parts removed that differ from run to run; sockets have random names.
 */
const comparable = ({ time: _, ms: __, socket: ___, ...line }: Record<string, unknown>) =>
  'version' in line && line['message'] === 'Serving hooks' ? { ...line, version: tapwire.version } : line;

for (const vm of recordedVms()) {
  const titles = vm.calls.map(({ number, method }) => `${number}-${method}`);
  test(`requests of ${vm.name} get the same responses as in the cluster: ${titles.join(', ')}`, () =>
    withHookPlace((place) =>
      withWiredPod(vm, async (netns) => {
        makeHookDirectory(`${place}/hooks`);
        await withSidecars(vm.sidecars, place, netns, async (running) => {
          for (const { number, sidecar, method, headers, request, answer } of vm.calls) {
            const { socket } = running.get(sidecar) ?? { socket: '' };
            const got = await callRaw(socket, headers[':path'] ?? '', request);
            assert.is(got.toString('latin1'), answer.toString('latin1'), `${vm.name}/${number}-${method}`);
          }
          for (const { name, code, log } of vm.sidecars) {
            const end = await running.get(name)?.end();
            if (!end) continue;
            assert.is(end.code, code, name);
            assert.equal(
              end.log.map((line) => comparable({ ...line })),
              log.map(comparable),
              name,
            );
          }
        });
        replayed(vm.name, [vm.sidecarsPath, ...vm.calls.flatMap(({ paths }) => paths)]);
      }),
    ));
}

/** An HTTP/2 frame: type, flags and payload. */
interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

const [DATA, PING, GOAWAY] = [0, 6, 7];

/** The complete frames in the bytes of a server. */
function framesOf(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      payload: bytes.subarray(at + 9, end),
    });
    at = end;
  }
  return frames;
}

/** Frames whose position does not depend on timing. */
const steady = (frames: readonly Frame[]) => frames.filter(({ type }) => type !== PING && type !== GOAWAY);

const shapesOf = (frames: readonly Frame[]) => steady(frames).map(({ type, flags }) => [type, flags]);
const dataOf = (frames: readonly Frame[]) =>
  Buffer.concat(frames.filter(({ type }) => type === DATA).map(({ payload }) => payload)).toString('latin1');

/**
 * Writes the client's recorded bytes, each part when as much of the response has arrived as had in
 * the cluster.
 */
async function replayBytes(socket: string, parts: readonly { dir: string; b64: string }[]): Promise<Buffer> {
  const raw: Socket = createConnection(socket);
  let got = Buffer.alloc(0);
  let want = Buffer.alloc(0);
  raw.on('data', (bytes: Buffer) => {
    got = Buffer.concat([got, bytes]);
    raw.emit('more');
  });
  const isThere = () => steady(framesOf(got)).length >= steady(framesOf(want)).length;
  const caughtUp = () =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no more after ${got.length} bytes`)), HANG);
      const look = () => {
        if (!isThere()) return;
        clearTimeout(timer);
        raw.off('more', look);
        resolve();
      };
      raw.on('more', look);
      look();
    });
  for (const { dir, b64 } of parts) {
    const bytes = Buffer.from(b64, 'base64');
    if (dir === 'sidecar>launcher') want = Buffer.concat([want, bytes]);
    else {
      await caughtUp();
      raw.write(bytes);
    }
  }
  await caughtUp();
  raw.destroy();
  return got;
}

for (const vm of recordedVms().filter(({ others }) => others.length > 0)) {
  test(`the bytes of each connection of ${vm.name} get the same bytes as in the cluster`, () =>
    withHookPlace((place) =>
      withWiredPod(vm, async (netns) => {
        makeHookDirectory(`${place}/hooks`);
        await withSidecars(vm.sidecars, place, netns, async (running) => {
          const [{ socket, end } = { socket: '', end: async () => null }] = running.values();
          for (const path of vm.others.filter((other) => other.endsWith('-raw.json'))) {
            const parts = recordedJson(path);
            const answers = parts.filter(({ dir }: { dir: string }) => dir === 'sidecar>launcher');
            const want = framesOf(
              Buffer.concat(answers.map(({ b64 }: { b64: string }) => Buffer.from(b64, 'base64'))),
            );
            const got = framesOf(await replayBytes(socket, parts));
            assert.equal(shapesOf(got), shapesOf(want), path);
            assert.is(dataOf(got), dataOf(want), path);
          }
          // virt-launcher connects once more after the sidecar has exited.
          assert.is((await end())?.code, 0);
          for (const path of vm.others.filter((other) => other.endsWith('-connection-without-call.json'))) {
            const { code } = recordedJson(path).events.find(
              ({ event }: { event: string }) => event === 'error',
            );
            assert.is(await connectError(socket), code, path);
            assert.not(existsSync(socket));
          }
        });
        replayed(`${vm.name}, bytes`, vm.others);
      }),
    ));
}

const connectError = (socket: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const raw = createConnection(socket, () => resolve(undefined));
    raw.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });

test.run();
