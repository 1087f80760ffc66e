/**
 * Both ends of a wired pod link: the network outside, and a guest that holds the tap as QEMU does.
 */
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { cni } from '../plugin/cni.ts';
import { withDirectory } from '../plugin/shim.ts';
import { type TestNetns, withNetns } from './netns.ts';

const SOURCE = resolve(import.meta.dirname, '../../netns/frames.c');
/** Only a frame that never arrives takes this long. */
const DEADLINE = 60_000; // ms

export const POD_MAC = '020000000010';

export interface End {
  /** Sends a frame, given in hex with its VLAN tags. */
  send(frame: string): void;
  /** Waits for this frame, and returns the frames before it. */
  receives(frame: string): Promise<readonly string[]>;
}

export interface Wire {
  readonly pod: TestNetns;
  readonly node: TestNetns;
  /** The other end of the pod link, in the host netns: `host0`. */
  readonly network: End;
  readonly guest: End;
  /** Opens an end at another link. */
  withLink(netns: TestNetns, link: string, act: (end: End) => Promise<void>): Promise<void>;
}

/** A pod whose pod link `eth0` has this MTU, wired by the plugin. */
export const withWire = (mtu: number, act: (wire: Wire) => Promise<void>): Promise<void> =>
  withNetns((node) =>
    withNetns((pod) =>
      withDirectory(async (directory) => {
        await makePodLink(node, pod, mtu);
        const add = await cni('ADD', { netns: pod.path, network: 'default' });
        assert.is(add.exitCode, 0, add.stdout);
        const program = join(directory, 'frames');
        await execa('gcc', ['-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
        await withEnd(pod, [program, 'tap', 'tap0'], (guest) =>
          withEnd(node, [program, 'link', 'host0'], (network) =>
            act({
              pod,
              node,
              guest,
              network,
              withLink: (netns, link, use) => withEnd(netns, [program, 'link', link], use),
            }),
          ),
        );
      }),
    ),
  );

async function makePodLink(node: TestNetns, pod: TestNetns, mtu: number): Promise<void> {
  await node.ip(`link add host0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${pod.name}`);
  await pod.ip(`link set eth0 address ${POD_MAC.replace(/..(?=.)/g, '$&:')}`);
  for (const [netns, link] of [
    [node, 'host0'],
    [pod, 'eth0'],
  ] as const) {
    await netns.ip(`link set ${link} addrgenmode none`);
    await netns.ip(`link set ${link} up`);
  }
}

async function withEnd(
  { name }: TestNetns,
  words: readonly string[],
  act: (end: End) => Promise<void>,
): Promise<void> {
  const running = execa('ip', ['netns', 'exec', name, ...words], {
    reject: false,
    buffer: { stdout: false },
  });
  const lines = createInterface({ input: running.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`frames ended: ${(await running).stderr}`);
    return value;
  };
  try {
    assert.is(await next(), 'ready');
    await act({
      send: (frame) => void running.stdin.write(`${frame}\n`),
      receives: (frame) => within(collectUntil(frame, next)),
    });
  } finally {
    running.stdin.end();
    await running;
  }
}

async function collectUntil(frame: string, next: () => Promise<string>): Promise<readonly string[]> {
  const before: string[] = [];
  for (let came = await next(); came !== frame; came = await next()) before.push(came);
  return before;
}

async function within<T>(promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('the frame has not come')), DEADLINE);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
