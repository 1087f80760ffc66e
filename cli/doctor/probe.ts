import { closeSync, constants, lstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { THIS_KERNEL } from '../../cni/kernel/redirects.ts';
import type { RuleForm } from '../../cni/kernel/rules.ts';
import { testKernel, testPassage, testSilence } from '../../cni/kernel/self-test.ts';
import { readNodePolicy } from '../../cni/policy/node-file.ts';
import { NODE_FILE, type NodePolicy } from '../../cni/policy/node-policy.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Classifier } from '../../shared/rtnetlink/filter.ts';
import { enterRoot } from '../enter-root.ts';
import type { Facts, TunDevice } from './facts.ts';
import { probeAgent } from './probe-agent.ts';
import { probeConfs } from './probe-confs.ts';
import { probeMacvtap } from './probe-macvtap.ts';
import { digestOfOurs, isDirectory, probeDirectories } from './probe-plugin.ts';

const TUN = '/dev/net/tun';

/**
 * Observes the node. Wires taps in temporary netns, and changes nothing else. With macvtap
 * in the node policy file, it also runs an ADD in another one.
 *
 * @param version version of this command
 * @param directories directories of CNI plugins; empty to search the known ones
 * @param root where the node's "/" is mounted; null if this process is on the node
 */
export async function probe(
  version: string,
  directories: readonly string[],
  root: string | null,
): Promise<Facts> {
  const ours = digestOfOurs(); // the next line makes it unreachable
  if (root !== null) enterRoot(root);
  const { policy, ...nodeFile } = probeNodeFile();
  const agent = await probeAgent();
  const found = await probeDirectories(directories, ours);
  return {
    version,
    tun: probeTun(),
    wiring: { matchall: await failureOfWiring('matchall'), u32: await failureOfWiring('u32') },
    silence: (await testSilence().catch((error: unknown) => [messageOf(error)]))[0] ?? null,
    passage: await probePassage(),
    selinux: probeSelinux(),
    directories: found,
    missingDirectories: directories.filter((path) => !isDirectory(path)),
    agent,
    macvtap: policy === null ? null : await probeMacvtap(policy, agent, found),
    nodeFile,
    confDirectories: probeConfs(),
  };
}

function probeTun(): TunDevice | null {
  const status = statSync(TUN, { throwIfNoEntry: false });
  if (status === undefined) return null;
  if (!status.isCharacterDevice()) return { device: null, failure: null };
  const device = [majorOf(status.rdev), minorOf(status.rdev)] as const;
  // Opening an unknown device could have any effect.
  return { device, failure: device.join(':') === '10:200' ? failureOfOpening(TUN) : null };
}

/** Major and minor numbers as makedev(3) packs them, valid below 4096 and 256. */
const majorOf = (rdev: number): number => (rdev >> 8) & 0xfff;
const minorOf = (rdev: number): number => rdev & 0xff;

function failureOfOpening(path: string): string | null {
  try {
    closeSync(openSync(path, constants.O_RDWR));
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

async function failureOfWiring(classifier: Classifier): Promise<string | null> {
  return testKernel({ ...THIS_KERNEL, candidates: [classifier] }).then(() => null, messageOf);
}

async function probePassage(): Promise<Facts['passage']> {
  const failureOf = (...given: Parameters<typeof testPassage>) =>
    testPassage(...given).then(() => null, messageOf);
  const failureOfGuard = (form: RuleForm) =>
    failureOf({ guestAddresses: 'network', spoofGuard: 'mac' }, { ...THIS_KERNEL, guardForms: [form] });
  return {
    services: await failureOf({ guestAddresses: 'pod', spoofGuard: 'off' }),
    guard: { program: await failureOfGuard('program'), filters: await failureOfGuard('filters') },
  };
}

function probeSelinux(): Facts['selinux'] {
  try {
    return readFileSync('/sys/fs/selinux/enforce', 'latin1') === '1' ? 'enforcing' : 'permissive';
  } catch {
    return null;
  }
}

function probeNodeFile(): Facts['nodeFile'] & { readonly policy: NodePolicy | null } {
  const isThere = lstatSync(NODE_FILE, { throwIfNoEntry: false }) !== undefined;
  try {
    return { path: NODE_FILE, isThere, failure: null, policy: readNodePolicy() };
  } catch (error) {
    return { path: NODE_FILE, isThere, failure: messageOf(error), policy: null };
  }
}
