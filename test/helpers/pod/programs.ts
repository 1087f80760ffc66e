/**
 * Small C programs that a test compiles and runs in a netns: eBPF at a link's ingress, and frames
 * to a tap.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import type { TestNetns } from './netns.ts';

const SOURCES = resolve(import.meta.dirname, '../../netns');
const DIRECTORY = mkdtempSync(join(tmpdir(), 'tapwire-programs-'));
process.on('exit', () => rmSync(DIRECTORY, { recursive: true }));

const compiled = new Map<string, Promise<string>>();

function programAt(name: string): Promise<string> {
  const path = join(DIRECTORY, name);
  const running =
    compiled.get(name) ??
    execa('gcc', ['-Wall', '-Wextra', '-Werror', '-o', path, join(SOURCES, `${name}.c`)]).then(() => path);
  compiled.set(name, running);
  return running;
}

type Place = Pick<TestNetns, 'path'>;

async function run({ path }: Place, program: string, ...words: readonly string[]): Promise<string> {
  const { stdout } = await execa('nsenter', [`--net=${path}`, await programAt(program), ...words]);
  return stdout;
}

/** `return VALUE` in eBPF. */
export function returning(value: number): string {
  const bytes = Buffer.from('b7000000000000009500000000000000', 'hex');
  bytes.writeInt32LE(value, 4);
  return bytes.toString('hex');
}

/**
 * Returns PASS for frames with a length of 61 to 1000, else NEXT: the result depends on the frame.
 */
export const DEPENDING = [
  '61120000' + '00000000', // r2 = skb->len
  'b7000000' + 'ffffffff', // r0 = -1
  '25020100' + '3c000000', // if r2 > 60 goto +1
  '95000000' + '00000000',
  'b7000000' + '00000000', // r0 = 0
  '95000000' + '00000000',
].join('');

/** Attaches a program, and returns its id. */
export const attach = async (
  netns: Place,
  hook: 'tcx' | 'xdp' | 'tc',
  link: string,
  instructions: string,
  ...words: readonly string[]
): Promise<string> => (await run(netns, 'bpf', hook, link, instructions, ...words)).trim();

export const detachTcx = (netns: Place, link: string, id: string): Promise<string> =>
  run(netns, 'bpf', 'detach', link, id);

/** Frames that arrived of each kind; five of each are sent. */
export interface Arrived {
  readonly ipv4: number;
  readonly arp: number;
  readonly ipv6: number;
  readonly other: number;
}

/**
 * Sends frames to a MAC through a link outside, and counts those that reach the holder of the tap.
 *
 * @param sender the link to send through, or the tap that it holds, so that frames arrive on that
 * @param wanted how many frames are expected in all; the function waits for them on a busy machine
 */
export async function arriving(
  tap: { readonly netns: TestNetns; readonly ifname: string },
  sender: { readonly netns: TestNetns; readonly ifname: string; readonly holdsIt?: boolean },
  destination: string,
  wanted: number,
): Promise<Arrived> {
  const program = await programAt('arrivals');
  const counter = spawn('nsenter', [`--net=${tap.netns.path}`, program, 'count', tap.ifname, `${wanted}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(counter.stdout)[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => (await lines.next()).value ?? '';
  try {
    if ((await nextLine()) !== 'ready') throw new Error(`Cannot hold "${tap.ifname}"`);
    await run(sender.netns, 'arrivals', sender.holdsIt ? 'write' : 'send', sender.ifname, destination);
    counter.stdin.end();
    const [ipv4 = 0, arp = 0, ipv6 = 0, other = 0] = (await nextLine()).split(' ').map(Number);
    return { ipv4, arp, ipv6, other };
  } finally {
    counter.kill();
  }
}
