import { closeSync } from 'node:fs';
import { BindingError } from '../../shared/errors.ts';
import { describeFailure, native } from '../../shared/native/native.ts';
import type { Op } from '../plan/op.ts';
import { openKernel } from './kernel.ts';
import type { Classifiers } from './redirects.ts';

/** Silences a pod; the links need not exist. */
const SILENCE: Op = {
  op: 'addSilence',
  table: 'tapwire-test',
  podLink: 'pod0',
  tap: 'tap0',
  served: null,
  replaces: false,
};

const TAP = { op: 'addTap', multiQueue: false, owner: null, group: null, selinuxContext: null } as const;

/** Everything that ADD needs from a kernel, between two taps, which end with the netns. */
const LEVELS: readonly (readonly Op[])[] = [
  [{ ...TAP, link: 'pod0' }],
  [{ op: 'persistTap', link: 'pod0' }],
  [{ ...TAP, link: 'tap0' }],
  [{ op: 'addClsact', link: 'pod0' }],
  [{ op: 'addRedirect', from: 'pod0', to: 'tap0', cookie: '0'.repeat(32) }],
];

/**
 * Wires two taps to each other in a temporary netns.
 *
 * @throws {BindingError} PLUGIN_NOT_AVAILABLE that says what this node lacks
 */
export async function testKernel(classifiers?: Classifiers): Promise<void> {
  const netns = await newNetns();
  try {
    const kernel = openKernel(netns, classifiers && { classifiers });
    try {
      const cause = (await kernel.run(LEVELS, false)).find((outcome) => outcome instanceof Error);
      if (cause === undefined) return;
      throw new BindingError('PLUGIN_NOT_AVAILABLE', `Cannot wire pods on this node: ${cause.message}`, {
        cause,
      });
    } finally {
      await kernel.close();
    }
  } finally {
    closeSync(netns);
  }
}

/**
 * Tests silence in a temporary netns. Returns a sentence that says why it does not work, or
 * nothing.
 */
export async function testSilence(): Promise<readonly string[]> {
  const netns = await newNetns();
  try {
    return await silenceNetns(netns);
  } finally {
    closeSync(netns);
  }
}

/** Tests silence in an existing netns, in which the nftables hooks stay in use. */
export async function silenceNetns(netns: number): Promise<readonly string[]> {
  const kernel = openKernel(netns);
  try {
    const [outcome] = await kernel.run([[SILENCE]], true);
    if (!(outcome instanceof Error)) return [];
    return [`Cannot silence pods on this node: ${outcome.message}`];
  } finally {
    await kernel.close();
  }
}

async function newNetns(): Promise<number> {
  try {
    return await native.newNetns();
  } catch (cause) {
    throw new BindingError(
      'PLUGIN_NOT_AVAILABLE',
      `Cannot create a network namespace: ${describeFailure(cause)}`,
      {
        cause,
      },
    );
  }
}
