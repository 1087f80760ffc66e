import { closeSync } from 'node:fs';
import { BindingError, messageOf } from '../shared/errors.ts';
import { listSome } from '../shared/list-some.ts';
import { bindingOf } from './bindings/table.ts';
import type { CallContext } from './host.ts';
import { deleteLeftNode } from './kernel/device-node.ts';
import type { Kernel } from './kernel/kernel.ts';
import { readLower } from './kernel/lower-device.ts';
import { lockNetns } from './kernel/open-netns.ts';
import { testKernel, testPassage, testSilence } from './kernel/self-test.ts';
import { apply, attempt } from './plan/apply.ts';
import { describeOp } from './plan/op.ts';
import { planDel } from './plan/plan-del.ts';
import { requireAllowed } from './policy/node-policy.ts';
import type { CniRequest } from './request/request.ts';
import { type Result, versionResult } from './result.ts';

type Of<Command> = Extract<CniRequest, { command: Command }>;

/** Logs a sentence as a warning. */
export type Warn = (message: string) => void;

/**
 * Runs one CNI command. Null if success has no result (CNI SPEC §2).
 *
 * @throws {BindingError} with nothing changed; DEL has then done all that it could
 */
export async function serve(request: CniRequest, context: CallContext, warn: Warn): Promise<Result | null> {
  switch (request.command) {
    case 'VERSION':
      return versionResult();
    case 'ADD':
      return add(request, context, warn);
    case 'DEL':
      return del(request, context);
    case 'CHECK':
      return check(request, context, warn);
    case 'STATUS':
      await testKernel();
      (await testSilence()).forEach(warn);
      if (request.passage !== null) await testPassage(request.passage);
      if (request.master !== null) await requireMaster(request.master);
      return null;
    case 'GC':
      // All that Tapwire creates ends with the pod's netns, except for a device node that ADD had
      // to make itself. The next ADD with its number replaces it.
      return null;
  }
}

/** @throws {BindingError} PLUGIN_NOT_AVAILABLE if no macvtap can be created on the device */
async function requireMaster(master: string): Promise<void> {
  if ((await readLower(master, false)) !== null) return;
  throw new BindingError(
    'PLUGIN_NOT_AVAILABLE',
    `Cannot add macvtaps on "${master}": this node has no such link`,
  );
}

function add(call: Of<'ADD' | 'CHECK'>, context: CallContext, warn: Warn): Promise<Result> {
  const policy = context.readNodePolicy();
  requireAllowed(call.conf, call.key, call.pod.namespace, policy);
  return withKernel(call.netns, context, async (kernel) => {
    const surroundings = { policy, devicesOf: context.devicesOf };
    const { levels, result, warnings, withoutFirst } = await bindingOf(call.conf).plan(
      kernel,
      call,
      surroundings,
    );
    for (const warning of warnings) warn(warning);
    const orElse = (refusal: Error) => {
      const less = withoutFirst?.(refusal);
      for (const warning of less?.warnings ?? []) warn(warning);
      return less?.levels;
    };
    await apply(levels, kernel.run, context.signal, orElse); // last: nothing can fail after it
    return result;
  });
}

/** Ignores the node policy: what it allowed when the pod was created exists now. */
function check(call: Of<'ADD' | 'CHECK'>, context: CallContext, warn: Warn): Promise<null> {
  const { prevResult } = call.conf;
  if (prevResult === null) throw new BindingError('INVALID_CONFIG', 'Required prevResult missing');
  return withKernel(call.netns, context, async (kernel) => {
    for (const warning of await bindingOf(call.conf).check(kernel, call, prevResult)) warn(warning);
    return null;
  });
}

async function del({ key, netns, deviceNode }: Of<'DEL'>, context: CallContext): Promise<null> {
  const fd = netns === null ? null : context.openNetns(netns);
  if (fd === null) {
    // The netns no longer exists, nor does anything of Tapwire in it. The kernel does not delete a
    // device node that ADD had to make itself.
    if (deviceNode !== null) requireNoNode(context.deviceDirectory, deviceNode);
    return null;
  }
  return useKernel(fd, context, async (kernel) => {
    const failures = await attempt(planDel(key, await kernel.observe(), deviceNode), kernel.run);
    if (failures.length > 0) throw new BindingError('KERNEL_REFUSED', listSome(failures, '; ', MAX_TOLD));
    return null;
  });
}

/** @throws {BindingError} KERNEL_REFUSED */
function requireNoNode(directory: string, ifindex: number): void {
  try {
    deleteLeftNode(directory, ifindex);
  } catch (cause) {
    const what = describeOp({ op: 'deleteDeviceNode', ifindex });
    throw new BindingError('KERNEL_REFUSED', `Cannot ${what}: ${messageOf(cause)}`, { cause });
  }
}

/** Number of failures that a message lists: a pod can have any number of links. */
const MAX_TOLD = 5;

function withKernel<T>(path: string, context: CallContext, act: (kernel: Kernel) => Promise<T>): Promise<T> {
  const fd = context.openNetns(path);
  if (fd === null) {
    throw new BindingError('INVALID_NETNS', `Cannot open netns "${path}": there is no network namespace`);
  }
  return useKernel(fd, context, act);
}

async function useKernel<T>(
  netns: number,
  { lockTimeout, openKernel }: CallContext,
  act: (kernel: Kernel) => Promise<T>,
): Promise<T> {
  try {
    await lockNetns(netns, lockTimeout);
    const kernel = openKernel(netns);
    try {
      return await act(kernel);
    } finally {
      await kernel.close();
    }
  } finally {
    closeSync(netns);
  }
}
