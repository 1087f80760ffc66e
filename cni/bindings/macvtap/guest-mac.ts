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

/**
 * Removes the part of a pod's name that differs between the pods of a VM.
 *
 * Source: kubevirt pkg/virt-controller/services/template.go (GenerateName), Kubernetes
 * SimpleNameGenerator
 */
const vmOf = (pod: string): string => pod.replace(/-[a-z0-9]{5}$/, '');
