import { closeSync } from 'node:fs';
import { BindingError } from '../../shared/errors.ts';
import { describeFailure, native } from '../../shared/native/native.ts';
import type { Attachment } from '../bindings/tap/attachment.ts';
import { endsOf } from '../bindings/tap/ends.ts';
import { NO_FACTS, passageOf } from '../bindings/tap/guest-facts.ts';
import { planAdd } from '../bindings/tap/plan-add.ts';
import type { Op } from '../plan/op.ts';
import { indexNetns } from '../plan/seen.ts';
import { type AskedPassage, describeAsked } from '../request/asked-passage.ts';
import { QEMU } from '../request/link-values.ts';
import { type Kernel, openKernel } from './kernel.ts';
import type { Classifiers } from './redirects.ts';

/** Silences a pod; the links need not exist. */
const SILENCE = {
  op: 'addSilence',
  table: 'tapwire-test',
  podLink: 'pod0',
  tap: 'tap0',
  served: null,
  replaces: false,
} as const satisfies Op;

/** Uses the other nftables hooks of a pod with guest services, on the only link of a new netns. */
const SERVICES: readonly Op[] = [
  { ...SILENCE, table: 'tapwire-test-served', served: { ipv6: true } },
  { op: 'addFloor', table: 'tapwire-test', podLink: 'lo', tap: 'lo', serves: false, replaces: false },
];

type Levels = readonly (readonly Op[])[];

const TAP = { op: 'addTap', multiQueue: false, owner: null, group: null, selinuxContext: null } as const;
/** A tap that stands in for the pod link, and ends with the netns. */
const POD_LINK: Levels = [[{ ...TAP, link: 'pod0' }], [{ op: 'persistTap', link: 'pod0' }]];

/** Everything that ADD needs from a kernel, between two taps, which end with the netns. */
const LEVELS: Levels = [
  ...POD_LINK,
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
  const failure = await inNewNetns((kernel) => failureOf(LEVELS, kernel), classifiers);
  if (failure !== null) throw notAvailable('wire pods on this node', failure.cause);
}

const notAvailable = (what: string, cause: Error): BindingError =>
  new BindingError('PLUGIN_NOT_AVAILABLE', `Cannot ${what}: ${cause.message}`, { cause });

interface Failure {
  /** Null: it is known without one. */
  readonly op: Op | null;
  readonly cause: Error;
}

async function failureOf(levels: Levels, kernel: Kernel): Promise<Failure | null> {
  const outcomes = await kernel.run(levels, false);
  const at = outcomes.findIndex((outcome) => outcome instanceof Error);
  const cause = outcomes[at];
  return cause instanceof Error ? { op: levels.flat()[at] ?? null, cause } : null;
}

/**
 * Does in a temporary netns what ADD does for a NAD with these keys and a pod with IPv4 and IPv6
 * addresses; without those of IPv6 if the node has no IPv6.
 *
 * @throws {BindingError} PLUGIN_NOT_AVAILABLE that says what this node lacks
 */
export async function testPassage(asked: AskedPassage, classifiers?: Classifiers): Promise<void> {
  const addWith = (ipv6: readonly string[]) =>
    inNewNetns((kernel) => failureOfAdd(asked, ipv6, kernel), classifiers);
  const failure = await addWith(['2001:db8::10']);
  const last = failure?.op?.op === 'enableIpv6' ? await addWith([]) : failure;
  if (last !== null) throw notAvailable(`wire pods with ${describeAsked(asked)} on this node`, last.cause);
}

/** The configuration of a NAD without keys. */
const CONF: Attachment['conf'] = {
  ...{ binding: 'tap', cniVersion: '1.1.0', name: 'tapwire-test', logicNetworkName: null, mac: null },
  ...{ prevResult: null, unknownKeys: [], podLink: null, network: null, mtu: null, owner: QEMU, group: QEMU },
  ...{ multiQueue: false, selinuxContext: null, guestAddresses: 'network', spoofGuard: 'off' },
};

/** @param ipv6 addresses of the pod */
async function failureOfAdd(
  asked: AskedPassage,
  ipv6: readonly string[],
  kernel: Kernel,
): Promise<Failure | null> {
  const unmade = await failureOf(POD_LINK, kernel);
  if (unmade !== null) return unmade;
  const conf = { ...CONF, ...asked };
  const key = { containerId: 'tapwire-test', ifname: 'pod0' };
  const attachment: Attachment = { key, podLink: 'pod0', tap: 'tap0', conf };
  const guest = { ...NO_FACTS, ipv4: ['192.0.2.10'], ipv6, sysctls: await kernel.readSysctls() };
  const ends = endsOf(attachment, indexNetns(await kernel.observe()), passageOf(conf, guest));
  let steps: ReturnType<typeof planAdd>;
  try {
    steps = planAdd(attachment, ends, [], guest);
  } catch (error) {
    if (error instanceof BindingError) return { op: null, cause: error };
    throw error;
  }
  return failureOf(
    steps.map((level) => level.map((step) => step.do)),
    kernel,
  );
}

/**
 * Tests silence in a temporary netns. Returns a sentence that says why it does not work, or
 * nothing.
 */
export const testSilence = (): Promise<readonly string[]> => inNewNetns(silence);

/**
 * Tests silence in an existing netns, in which the nftables hooks stay in use: those of silence,
 * and those of guest services and spoof guards, if the kernel has them.
 */
export async function silenceNetns(netns: number): Promise<readonly string[]> {
  const kernel = openKernel(netns);
  try {
    const failures = await silence(kernel);
    if (failures.length === 0) await kernel.run([SERVICES], true);
    return failures;
  } finally {
    await kernel.close();
  }
}

async function silence(kernel: Kernel): Promise<readonly string[]> {
  const [outcome] = await kernel.run([[SILENCE]], true);
  if (!(outcome instanceof Error)) return [];
  return [`Cannot silence pods on this node: ${outcome.message}`];
}

async function inNewNetns<T>(act: (kernel: Kernel) => Promise<T>, classifiers?: Classifiers): Promise<T> {
  const netns = await newNetns();
  try {
    const kernel = openKernel(netns, classifiers && { classifiers });
    try {
      return await act(kernel);
    } finally {
      await kernel.close();
    }
  } finally {
    closeSync(netns);
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
