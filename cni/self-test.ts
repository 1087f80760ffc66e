import { closeSync } from 'node:fs';
import { BindingError, messageOf } from '../shared/errors.ts';
import { describeFailure, native } from '../shared/native/native.ts';
import type { Classifier } from '../shared/rtnetlink/filter.ts';
import { openKernel } from './kernel.ts';
import type { Op } from './op.ts';

const TAP = { op: 'addTap', multiQueue: false, owner: null, group: null } as const;

/** All that ADD asks of a kernel, between two taps; they go with the descriptors. */
const OPS: readonly Op[] = [
  { ...TAP, link: 'pod0' },
  { ...TAP, link: 'tap0' },
  { op: 'addClsact', link: 'pod0' },
  { op: 'addRedirect', from: 'pod0', to: 'tap0', cookie: '0'.repeat(32) },
];

/**
 * Wires two taps to each other in a netns of our own, which vanishes again.
 *
 * @throws {BindingError} PLUGIN_NOT_AVAILABLE with what this node lacks
 */
export async function testKernel(classifiers?: readonly Classifier[]): Promise<void> {
  const netns = newNetns();
  try {
    const kernel = openKernel(netns, classifiers);
    try {
      for (const op of OPS) await kernel.run(op);
    } catch (cause) {
      throw new BindingError('PLUGIN_NOT_AVAILABLE', `Cannot wire pods on this node: ${messageOf(cause)}`, {
        cause,
      });
    } finally {
      kernel.close();
    }
  } finally {
    closeSync(netns);
  }
}

function newNetns(): number {
  try {
    return native.newNetns();
  } catch (cause) {
    throw new BindingError(
      'PLUGIN_NOT_AVAILABLE',
      `Cannot make a network namespace: ${describeFailure(cause)}`,
      {
        cause,
      },
    );
  }
}
