import { closeSync } from 'node:fs';
import { BindingError } from '../shared/errors.ts';
import type { Address } from '../shared/rtnetlink/address.ts';
import { apply, attempt } from './apply.ts';
import { type Attachment, resolveAttachment } from './attachment.ts';
import { check, findDefects, findResultDefects } from './check.ts';
import { type Kernel, type Netns, openKernel } from './kernel.ts';
import { lockNetns, openNetns } from './netns.ts';
import { readNodePolicy } from './node-file.ts';
import { checkPolicy } from './node-policy.ts';
import { planAdd } from './plan-add.ts';
import { planDel } from './plan-del.ts';
import { requirePodLink } from './pod-link.ts';
import type { CniRequest } from './request.ts';
import { linkResult, type Result, versionResult } from './result.ts';
import { testKernel } from './self-test.ts';

/** Well below the two minutes that kubelet gives a sandbox; the slowest call takes a second on a node that is busy. */
const LOCK_PATIENCE = 10_000; // ms

type Of<Command> = Extract<CniRequest, { command: Command }>;

/**
 * Does what the runtime asks. Null where success has no result (CNI SPEC §2).
 *
 * @throws {BindingError} with nothing changed, or for DEL with all done that could be
 */
export async function serve(request: CniRequest): Promise<Result | null> {
  switch (request.command) {
    case 'VERSION':
      return versionResult();
    case 'ADD':
      return add(request);
    case 'DEL':
      return del(request);
    case 'CHECK':
      return checkWiring(request);
    case 'STATUS':
      await testKernel();
      return null;
    case 'GC':
      return null; // all that we make lives in the pod's netns and goes with it
  }
}

function add(request: Of<'ADD' | 'CHECK'>): Promise<Result> {
  const { key, conf, podNamespace, netns } = request;
  const policy = readNodePolicy();
  checkPolicy(conf, podNamespace, policy);
  return withKernel(netns, async (kernel) => {
    const seen = await kernel.observe();
    const attachment = resolveAttachment(key, conf, seen.links, policy[conf.binding].defaultNetwork);
    const steps = planAdd(attachment, seen);
    const result = resultOf(request, attachment, seen, await kernel.addresses());
    await apply(steps, kernel.run); // last: nothing can fail behind it
    return result;
  });
}

function resultOf(
  { conf, netns, version }: Of<'ADD' | 'CHECK'>,
  attachment: Attachment,
  seen: Netns,
  addresses: readonly Address[],
): Result {
  if (conf.prevResult !== null) return { ...conf.prevResult.source, cniVersion: version };
  if (conf.logicNetworkName !== null) return { cniVersion: version };
  return linkResult(version, netns, requirePodLink(attachment, seen.links), addresses);
}

/** The node's policy has no say: what was allowed when the pod was made is there now. */
function checkWiring({ key, conf, netns }: Of<'ADD' | 'CHECK'>): Promise<null> {
  const { prevResult } = conf;
  if (prevResult === null) throw new BindingError('INVALID_CONFIG', 'Required prevResult missing');
  return withKernel(netns, async (kernel) => {
    const seen = await kernel.observe();
    const attachment = resolveAttachment(key, conf, seen.links, true);
    check(
      [
        ...findDefects(attachment, seen),
        ...findResultDefects(attachment, prevResult, netns, seen, await kernel.addresses()),
      ],
      attachment,
      seen,
    );
    return null;
  });
}

async function del({ key, netns }: Of<'DEL'>): Promise<null> {
  const fd = netns === null ? null : openNetns(netns);
  if (fd === null) return null; // gone, and everything of ours with it
  return useKernel(fd, async (kernel) => {
    const failures = await attempt(planDel(key, await kernel.observe()), kernel.run);
    if (failures.length > 0) throw new BindingError('KERNEL_REFUSED', failures.join('; '));
    return null;
  });
}

function withKernel<T>(path: string, act: (kernel: Kernel) => Promise<T>): Promise<T> {
  const fd = openNetns(path);
  if (fd === null) {
    throw new BindingError('INVALID_NETNS', `Cannot open netns "${path}": there is no network namespace`);
  }
  return useKernel(fd, act);
}

async function useKernel<T>(netns: number, act: (kernel: Kernel) => Promise<T>): Promise<T> {
  try {
    await lockNetns(netns, LOCK_PATIENCE);
    const kernel = openKernel(netns);
    try {
      return await act(kernel);
    } finally {
      kernel.close();
    }
  } finally {
    closeSync(netns);
  }
}
