import { hash } from 'node:crypto';
import type { AttachmentKey } from '../../../shared/record.ts';
import type { Pod } from '../../request/cni-args.ts';
import type { MacvtapConf } from '../../request/config.ts';

/**
 * Chooses the MAC of the macvtap, which is the guest's: what the pod or the runtime asks for, else
 * the NAD's, else one that the next pod of the same VM gets as well. Pure.
 */
export const macOf = (conf: MacvtapConf, pod: Pod, key: AttachmentKey): string =>
  conf.mac ?? conf.staticMac ?? derivedMac(pod, key);

/**
 * Derives a MAC from namespace, VM and network. A migration moves a guest with its MAC to another
 * pod, whose macvtap drops frames to any other MAC.
 *
 * @returns a locally administered unicast address
 */
function derivedMac({ namespace, name }: Pod, { containerId, ifname }: AttachmentKey): string {
  const owner = name === null ? containerId : `${namespace ?? ''}\0${vmOf(name)}`;
  const digits = hash('sha256', `${owner}\0${ifname}`, 'hex').slice(0, 10);
  return ['02', ...(digits.match(/../g) ?? [])].join(':');
}

const LAUNCHER = 'virt-launcher-';
/** Length of the random suffix that Kubernetes appends to the name of a VM's pod. */
const SUFFIX = 5;
const MAX_POD_NAME = 63;

/**
 * Removes the part of a pod's name that differs between the pods of a VM. A pod without a VM keeps
 * its name: the pods of a Deployment also differ only in their suffix. Kubernetes cuts a name that
 * is too long, so VMs whose names have the same first 44 characters get the same result.
 *
 * Source: kubevirt pkg/virt-controller/services/template.go (GenerateName), Kubernetes
 * SimpleNameGenerator
 */
function vmOf(pod: string): string {
  const isLauncher = pod.startsWith(LAUNCHER) && (pod.at(-SUFFIX - 1) === '-' || pod.length === MAX_POD_NAME);
  return isLauncher ? pod.slice(0, -SUFFIX) : pod;
}
