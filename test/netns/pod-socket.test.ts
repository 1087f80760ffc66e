/** Reading from a server in a pod, which may do anything. */
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TURN_SOCKET } from '../../shared/guest-services.ts';
import { native } from '../../shared/native/native.ts';
import { until, within } from '../helpers/agent/agent-node.ts';
import { HANG } from '../helpers/hang.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import {
  BEHAVIOURS,
  saying,
  withDeafServer,
  withLingeringServer,
  withPodServer,
} from '../helpers/pod/pod-server.ts';

const test = suite('a socket of a pod');

const NAME = Buffer.from(TURN_SOCKET);
/** Time in ms to answer: short for servers that do not. */
const [SHORT, LONG] = [50, HANG];
/** Size in bytes of the longest answer that is read. */
const MAX_SAID = 16 * 1024;

/** @param fd of the pod's netns */
const withOpenPod = (act: (pod: TestNetns, fd: number) => Promise<void>): Promise<void> =>
  withNetns(async (pod) => {
    await pod.ip('link set lo up');
    const fd = openSync(pod.path, 'r');
    try {
      await act(pod, fd);
    } finally {
      closeSync(fd);
    }
  });

const read = async (fd: number, milliseconds: number): Promise<string | null> =>
  (await within('reading', native.readPodSocket(fd, NAME, milliseconds)))?.toString() ?? null;

test('a server in the pod is read to its end, and one of another netns is not', () =>
  withOpenPod((pod, fd) =>
    withOpenPod((_, other) =>
      withPodServer(pod, saying('{"tap0":{}}\n'), async () => {
        assert.is(await read(fd, LONG), '{"tap0":{}}\n');
        assert.is(await read(fd, LONG), '{"tap0":{}}\n');
        assert.is(await read(other, LONG), null);
      }),
    ),
  ));

test('a server that says nothing or a little, and ends, is read as it is', () =>
  withOpenPod(async (pod, fd) => {
    await withPodServer(pod, saying(''), async () => assert.is(await read(fd, LONG), ''));
    const later = "socket.write('a'); setTimeout(() => socket.end('b'), 100);";
    await withPodServer(pod, later, async () => assert.is(await read(fd, LONG), 'ab'));
  }));

test('a long answer is read up to 16 KiB', () =>
  withOpenPod((pod, fd) =>
    withPodServer(pod, saying('x'.repeat(64 * 1024)), async () =>
      assert.is((await read(fd, LONG))?.length, MAX_SAID),
    ),
  ));

for (const name of ['silent', 'endless', 'slow', 'of 1 MB'] as const) {
  test(`a server that is ${name} is left when the time is over`, () =>
    withOpenPod((pod, fd) =>
      withPodServer(pod, BEHAVIOURS[name], async () => {
        for (let round = 0; round < 3; round++) assert.is(await read(fd, SHORT), null);
      }),
    ));
}

test('a server that does not accept clients is left at once when its queue is full', () =>
  withOpenPod((pod, fd) =>
    withDeafServer(pod, async () => {
      for (let round = 0; round < 8; round++) assert.is(await read(fd, SHORT), null);
    }),
  ));

test('a server that sends a socket which takes minutes to close does not delay the reader', () =>
  withOpenPod((pod, fd) =>
    withLingeringServer(pod, '{"tap0":{}}', async () => {
      for (let round = 0; round < 3; round++) assert.is(await read(fd, LONG), '{"tap0":{}}');
      assert.is(native.countOverdue(0), 0);
    }),
  ));

/** Signals of a thread that are blocked, as a mask, and its descriptors. */
function lookAt(thread: string): { readonly blocked: bigint; readonly descriptors: readonly string[] } {
  const [, mask = '0'] =
    /^SigBlk:\s+(\w+)/m.exec(readFileSync(`/proc/self/task/${thread}/status`, 'utf8')) ?? [];
  return { blocked: BigInt(`0x${mask}`), descriptors: readdirSync(`/proc/self/task/${thread}/fd`) };
}

test("the thread of a connection has none of the process's descriptors, gets no signals, and ends", () =>
  withOpenPod(async (pod, fd) => {
    await read(fd, SHORT); // starts the threads of the pool
    const before = readdirSync('/proc/self/task');
    const descriptors = readdirSync('/proc/self/fd').length;
    const added = () => readdirSync('/proc/self/task').filter((thread) => !before.includes(thread));
    let reading: Promise<Buffer | null> | undefined;
    await withPodServer(pod, BEHAVIOURS.silent, async () => {
      reading = native.readPodSocket(fd, NAME, LONG);
      await until('there is a thread', () => added().length === 1);
      const [thread = ''] = added();
      // The standard streams, and the socket.
      await until('it has its descriptors', () => lookAt(thread).descriptors.length === 4);
      const SIGTERM = 1n << 14n;
      assert.is(lookAt(thread).blocked & SIGTERM, SIGTERM);
    });
    // The server may have ended before it accepted the connection, and then nobody was there.
    assert.is((await reading)?.length ?? 0, 0, 'the server has ended');
    await until('it ends', () => added().length === 0);
    assert.is(readdirSync('/proc/self/fd').length, descriptors);
  }));

test('a name that is too long, and a descriptor that is not of a netns, fail', () =>
  withOpenPod(async () => {
    assert.throws(() => native.readPodSocket(-1, Buffer.alloc(109), SHORT), 'the name is too long');
    const fd = openSync('/dev/null', 'r');
    try {
      await native.readPodSocket(fd, NAME, SHORT);
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).message, 'enter the netns');
    } finally {
      closeSync(fd);
    }
  }));

test.run();
