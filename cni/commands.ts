import { closeSync } from 'node:fs';
import { BindingError } from '../shared/errors.ts';
import { apply, attempt } from './apply.ts';
import { type Attachment, resolveAttachment } from './attachment.ts';
import { check } from './check.ts';
import { type Kernel, openKernel } from './kernel.ts';
import { openNetns } from './netns.ts';
import { planAdd } from './plan-add.ts';
import { planDel } from './plan-del.ts';
import type { CniRequest } from './request.ts';
import { linkResult, type Result, versionResult } from './result.ts';
import { testKernel } from './self-test.ts';
import { findLink } from './wiring.ts';

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
      return withKernel(request.netns, async (kernel) => {
        const seen = await kernel.observe();
        check(resolveAttachment(request.key, request.conf, seen.links), seen);
        return null;
      });
    case 'STATUS':
      await testKernel();
      return null;
    case 'GC':
      return null; // all that we make lives in the pod's netns and goes with it
  }
}

function add({ key, conf, netns, version }: Of<'ADD' | 'CHECK'>): Promise<Result> {
  return withKernel(netns, async (kernel) => {
    const seen = await kernel.observe();
    const attachment = resolveAttachment(key, conf, seen.links);
    await apply(planAdd(attachment, seen), kernel.run);
    if (conf.prevResult !== null) return { ...conf.prevResult, cniVersion: version };
    return conf.logicNetworkName === null
      ? resultOf(attachment, version, netns, kernel)
      : { cniVersion: version };
  });
}

async function resultOf(
  { podLink }: Attachment,
  version: string,
  netns: string,
  kernel: Kernel,
): Promise<Result> {
  const link = findLink(podLink, await kernel.observe());
  if (link === undefined) throw new BindingError('LINK_MISSING', `Cannot report "${podLink}": it went away`);
  return linkResult(version, netns, link, await kernel.addresses());
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
