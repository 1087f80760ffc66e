/**
 * A pod on a node for macvtaps, on which one command is called again and again while something goes
 * wrong: its process is killed, or a request or a reply is lost.
 */
import { rmSync } from 'node:fs';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import type { Agent } from '../agent/agent.ts';
import { HANG } from '../hang.ts';
import { type TestNetns, withNetns } from '../pod/netns.ts';
import { type Call, environmentOf, netconf } from './cni.ts';
import { hasOwnDevice, LOWER, type MacvtapNode, withMacvtapNode } from './macvtap-node.ts';
import { plugin, WAY } from './way.ts';

/** How a call ended. */
interface End {
  readonly killed: boolean;
  readonly exitCode: number | undefined;
  readonly stdout: string;
}

interface How {
  readonly agent?: Agent;
  /** Variables in the environment of the program itself. */
  readonly env?: Readonly<Record<string, string>>;
  /** Command line that runs the program. */
  readonly tracer?: readonly string[];
  /** Time in ms after which the program is killed. */
  readonly delay?: number;
}

/** Runs a call on the node. */
export async function run(
  { under, nodeFile }: MacvtapNode,
  command: string,
  call: Call,
  { agent, env = {}, tracer = [], delay }: How = {},
): Promise<End> {
  const called = await plugin(environmentOf(command, call), agent, nodeFile);
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const [file = '', ...words] = [...under, '/usr/bin/env', ...variables, ...tracer, ...called.words];
  const input = JSON.stringify(netconf(call));
  const options = {
    input,
    env: called.env,
    extendEnv: false,
    reject: false,
    timeout: HANG,
    cwd: '/',
  } as const;
  const running = execa(file, words, options);
  if (delay !== undefined) setTimeout(() => running.kill('SIGKILL'), delay);
  const { signal, exitCode, stdout } = await running;
  return { killed: signal === 'SIGKILL', exitCode, stdout };
}

export interface Scene {
  readonly node: MacvtapNode;
  readonly call: Call;
  /** Prepares the pod so that the command has work to do. */
  prepared(): Promise<void>;
  /** Whether the pod, the lower device and /dev are as before the first ADD. */
  isAsBefore(why: string): Promise<void>;
  /** Asserts that DEL leaves nothing. */
  restored(why: string): Promise<void>;
  /** Asserts that the next ADD completes and is as good as any other. */
  completed(why: string): Promise<void>;
}

/** What is done before the command: nothing, ADD, or ADD whose device node is not the kernel's. */
export type Before = 'nothing' | 'ADD' | 'ADD and a lost device node' | 'ADD that makes the device node';

async function prepare(node: MacvtapNode, call: Call, before: Before): Promise<void> {
  if (before === 'nothing') return;
  await node.succeeds('ADD', call, 'preparation');
  if (before === 'ADD') return;
  const [path = ''] = node.deviceNodes();
  rmSync(`/dev/${path}`);
  if (before === 'ADD that makes the device node') await node.succeeds('ADD', call, 'preparation');
}

/**
 * The device plugin of an agent reads the lower device after each change there, so what goes wrong
 * would happen to it instead of the call. It does nothing without resources.
 */
function callFor(node: MacvtapNode, pod: TestNetns, conf: Readonly<Record<string, unknown>>): Call {
  if (WAY !== 'agent') return node.podOf(pod, 0, conf);
  node.setPolicy({ masters: [{ lowerDevice: LOWER }] });
  return node.masterPodOf(pod, conf);
}

/** Creates the pod and its node, and says what is done before each call of the command. */
export const onScene = (before: Before, act: (scene: Scene) => Promise<void>): Promise<void> =>
  withMacvtapNode((node) =>
    withNetns(async (pod) => {
      const call = callFor(node, pod, { mac: '02:00:00:00:0a:0b' });
      const look = async () => [
        await pod.ip('-d -o link show'),
        await node.netns.ip('-d -o link show'),
        node.deviceNodes(),
      ];
      const first = await look();
      const isAsBefore = async (why: string) => assert.equal(await look(), first, why);
      const restored = async (why: string) => {
        await node.succeeds('DEL', call, why);
        await isAsBefore(why);
      };
      await act({
        node,
        call,
        prepared: () => prepare(node, call, before),
        isAsBefore,
        restored,
        async completed(why) {
          await confirmed(node, pod, call, why);
          await restored(why);
        },
      });
    }),
  );

/** Asserts that ADD and CHECK succeed, and that the device node is right. */
async function confirmed(node: MacvtapNode, pod: TestNetns, call: Call, why: string): Promise<void> {
  const { json } = await node.succeeds('ADD', call, why);
  await node.succeeds('CHECK', { ...call, conf: { ...call.conf, prevResult: json } }, why);
  await hasOwnDevice(pod);
}
