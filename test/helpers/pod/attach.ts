/** ADD, DEL and CHECK of a tap as functions that run in this process, against the real kernel. */
import { closeSync, openSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { resolveAttachment } from '../../../cni/bindings/tap/attachment.ts';
import { findDefects } from '../../../cni/bindings/tap/check.ts';
import { endsOf } from '../../../cni/bindings/tap/ends.ts';
import { passageOf } from '../../../cni/bindings/tap/guest-facts.ts';
import { observeGuest } from '../../../cni/bindings/tap/observe-guest.ts';
import { planAdd, requireWirable } from '../../../cni/bindings/tap/plan-add.ts';
import { withRules } from '../../../cni/bindings/tap/tap.ts';
import { type Kernel, openKernel } from '../../../cni/kernel/kernel.ts';
import type { Classifiers } from '../../../cni/kernel/redirects.ts';
import { apply, attempt } from '../../../cni/plan/apply.ts';
import type { Level, Op } from '../../../cni/plan/op.ts';
import { planDel } from '../../../cni/plan/plan-del.ts';
import { indexNetns } from '../../../cni/plan/seen.ts';
import type { TestNetns } from './netns.ts';
import { KEY, tapConf } from './seen.ts';

/** Keys of the NAD. */
export type Conf = Readonly<Record<string, unknown>>;

/** @param classifiers what the kernel may use; absent: what it has */
export async function withKernel<T>(
  netns: TestNetns,
  act: (kernel: Kernel) => Promise<T>,
  classifiers?: Classifiers,
): Promise<T> {
  const fd = openSync(netns.path, 'r');
  const kernel = openKernel(fd, classifiers && { classifiers });
  try {
    return await act(kernel);
  } finally {
    await kernel.close();
    closeSync(fd);
  }
}

/** Observes a pod and plans ADD. */
export async function attach(kernel: Kernel, conf: Conf = {}) {
  const args = { cni: { logicNetworkName: 'default' } };
  const seen = await withRules(kernel, KEY, indexNetns(await kernel.observe()));
  const attachment = resolveAttachment(KEY, tapConf({ args, ...conf }), seen.links);
  const ends = endsOf(attachment, seen);
  const { pod } = requireWirable(attachment, ends);
  const { guest } = await observeGuest(kernel, attachment, pod, ends);
  const wanted = endsOf(attachment, seen, passageOf(attachment.conf, guest));
  const levels = planAdd(attachment, wanted, [], guest);
  return { attachment, ends, levels, steps: levels.flat() };
}

export const add = (
  netns: TestNetns,
  conf: Conf = {},
  classifiers?: Classifiers,
): Promise<readonly Level[]> =>
  withKernel(
    netns,
    async (kernel) => {
      const { levels } = await attach(kernel, conf);
      await apply(levels, kernel.run);
      return levels;
    },
    classifiers,
  );

export const del = (netns: TestNetns): Promise<readonly Op[]> =>
  withKernel(netns, async (kernel) => {
    const ops = planDel(KEY, await kernel.observe());
    assert.equal(await attempt(ops, kernel.run), []);
    return ops;
  });

/** Returns what CHECK would name. */
export const defects = (netns: TestNetns): Promise<readonly string[]> =>
  withKernel(netns, async (kernel) => {
    const { attachment, ends } = await attach(kernel);
    const facts = { addresses: await kernel.addresses(), sysctls: await kernel.readSysctls() };
    return findDefects(attachment, ends, facts);
  });
