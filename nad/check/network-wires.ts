import { error, type Problem } from './finding.ts';
import type { Wiring } from './nad-config.ts';
import type { Registered } from './registrations.ts';
import type { Interface } from './vm.ts';

/**
 * Checks that an interface uses what Tapwire wires in the chain of its network. KubeVirt wires most
 * binding methods itself, and a pod link cannot be wired twice.
 *
 * @param registered undefined if the files do not register the binding
 */
export function problemsOfMethod(
  { methods, binding }: Interface,
  registered: Registered | undefined,
  wiring: Exclude<Wiring, 'macvtap'>,
  networkName: string,
): readonly Problem[] {
  const remedy = wiring === 'passt' ? ON_PASST : ON_TAP;
  const network = `its network "${networkName}" runs Tapwire`;
  const method = methods.find((one) => one !== 'binding');
  if (method !== undefined) {
    return [error(`${network}, and KubeVirt wires "${method}" itself, so the VM has no network; ${remedy}`)];
  }
  if (registered === undefined) return [];
  const type = registered.plugin['domainAttachmentType'] || undefined;
  const image = registered.plugin['sidecarImage'] || undefined;
  const subject = `${network}, and binding "${binding}"`;
  if (type === 'managedTap') {
    return [
      error(
        `${subject} ("managedTap") makes KubeVirt take the same pod link, so the VM has no network; ${remedy}`,
      ),
    ];
  }
  if (wiring === 'passt') {
    if (type === 'tap')
      return [error(`${subject} makes KubeVirt look for a tap, but passt has none; ${ON_PASST}`)];
    return image === undefined
      ? [error(`${subject} has no sidecar to create the NIC for passt; ${ON_PASST}`)]
      : [];
  }
  if (type !== undefined || image !== undefined) return [];
  return [error(`${subject} gives the VM no NIC on the tap; ${remedy}`)];
}

const ON_TAP = 'use a binding with domainAttachmentType "tap", or a network without Tapwire';
const ON_PASST =
  'use a binding with sidecarImage and without domainAttachmentType, or a network without Tapwire';
