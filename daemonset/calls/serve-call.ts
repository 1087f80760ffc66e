import { getSystemErrorMap } from 'node:util';
import { type Answer, answer } from '../../cni/answer.ts';
import type { Signal } from '../../cni/plan/apply.ts';
import type { NodePolicy } from '../../cni/policy/node-policy.ts';
import { BindingError } from '../../shared/errors.ts';
import { devicesOf } from '../../shared/kubelet/pod-devices.ts';
import { formatLine, log } from '../../shared/log.ts';
import type { Metrics } from '../metrics.ts';
import type { Call } from './caller.ts';
import { encodeReply } from './frame.ts';
import { takeNetns } from './passed-netns.ts';

/** What every call needs of the agent. */
export interface AgentContext {
  /** Descriptor of the agent's own netns. */
  readonly hostNetns: number;
  readNodePolicy(): NodePolicy;
  /** Where the device nodes of the node are. */
  readonly deviceDirectory: string;
  readonly metrics: Metrics;
}

/** Commands whose success is logged. Container runtimes send the others all the time. */
const LOGGED = ['ADD', 'DEL'];
const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'];

/** Serves one call and closes its descriptors. Never rejects. */
export async function serveCall(call: Call, signal: Signal, context: AgentContext): Promise<Buffer> {
  const { metrics, deviceDirectory } = context;
  const started = performance.now();
  metrics.now.inFlight += 1;
  const netns = takeNetns(call, context);
  metrics.now.heldDescriptors += netns.count;
  try {
    const given = await answer(call.env, () => stdinOf(call), {
      openNetns: netns.open,
      openKernel: netns.openKernel,
      lockTimeout: 0, // the shim holds the lock and passed it with the descriptor
      readNodePolicy: context.readNodePolicy,
      devicesOf,
      deviceDirectory,
      signal,
    });
    const ms = performance.now() - started;
    setImmediate(() => report(given, call, ms, metrics)); // after the reply: the client need not wait
    return encodeReply(given.code === 0 ? 0 : 1, given.stdout, given.log.map(formatLine).join(''));
  } finally {
    await netns.close();
    metrics.now.heldDescriptors -= netns.count;
    metrics.now.inFlight -= 1;
  }
}

function stdinOf({ stdin, stdinErrno }: Call): Buffer {
  if (stdinErrno === 0) return stdin;
  const [code, text] = getSystemErrorMap().get(-stdinErrno) ?? [`errno ${stdinErrno}`, 'unknown error'];
  throw new BindingError('IO_FAILURE', `error reading from stdin: ${code}: ${text}, read`);
}

/** Updates the metrics and logs the call. */
function report({ command, code, log: lines }: Answer, { env }: Call, ms: number, metrics: Metrics): void {
  const label = COMMANDS.includes(command) ? command : 'unknown';
  metrics.requests.inc({ command: label, code });
  metrics.duration.observe({ command: label }, ms / 1000);
  const { CNI_CONTAINERID: container, CNI_IFNAME: ifname } = env;
  const fields = { container, ifname, ms: Math.round(ms * 1000) / 1000 };
  for (const line of lines) log(line.level, line.message, { ...line.fields, ...fields });
  if (code === 0 && LOGGED.includes(command)) log('info', command, fields);
}
