import { BindingError } from '../../../shared/errors.ts';
import { fullResourceName } from '../../../shared/kubelet/device-id.ts';
import type { MacvtapRecord } from '../../../shared/record.ts';
import { describeLinkOwner, recordOf } from '../../plan/ours.ts';
import type { MacvtapConf } from '../../request/config.ts';
import type { PrevResult } from '../../request/prev-result.ts';
import { linkResult, type Result } from '../../result.ts';
import type { AttachmentRequest, BindingActions, Surroundings } from '../binding.ts';
import { findDefects } from './check.ts';
import { macOf } from './guest-mac.ts';
import { placeOf } from './lower.ts';
import { newMacvtap, planAdd } from './plan-add.ts';
import { findWarnings, requireIfname, requireLower, requireMtu, requireOurLink } from './requirements.ts';

/** A macvtap in the pod, on a device of the node: frames go between the guest and that device. */
export function macvtapBinding(conf: MacvtapConf): BindingActions {
  return {
    async plan(kernel, request, surroundings) {
      const { key, netns, version, pod } = request;
      requireIfname(key.ifname);
      refuseOtherUses(conf, key.ifname);
      const place = placeOf(key, conf, surroundings.policy.macvtap);
      await requireGiven(conf, request, surroundings);
      const { entry, ifindex } = place;
      const { lowerDevice, mode, allmulticast, promisc } = entry;
      const lower = requireLower(key.ifname, place, await kernel.readLower(lowerDevice, mode === 'passthru'));
      const mtu = requireMtu(conf, lower);
      const mac = macOf(conf, pod, key);
      const { owner, group } = conf;
      const record: MacvtapRecord = {
        ...{ key, binding: 'macvtap', lowerDevice, mode, mac, mtu, owner, group, allmulticast, promisc },
      };
      const { links } = await kernel.observe();
      const earlier = requireOurLink(record, ifindex, links);
      return {
        levels: planAdd(record, newMacvtap(record, ifindex, lower, conf.queues), earlier),
        result: addTo(
          conf.prevResult,
          linkResult(version, netns, { ifname: key.ifname, ifindex, mac, mtu }, []),
        ),
        warnings: findWarnings(key.ifname, place, conf, lower),
        withoutFirst: null,
      };
    },
    async check(kernel, { key }) {
      const { links } = await kernel.observe();
      const link = links.find(({ ifname }) => ifname === key.ifname);
      const record = link === undefined ? null : recordOf(link, key);
      if (link === undefined || record?.binding !== 'macvtap') {
        const reason = link === undefined ? 'it is gone' : `that name is taken by ${describeLinkOwner(link)}`;
        throw new BindingError('WIRING_BROKEN', `Cannot confirm macvtap "${key.ifname}": ${reason}`);
      }
      const defects = findDefects({ link, record, ...(await kernel.readDeviceNode(link)) });
      if (defects.length === 0) return [];
      throw new BindingError(
        'WIRING_BROKEN',
        `Cannot confirm macvtap "${key.ifname}": ${defects.join('; ')}`,
      );
    },
  };
}

/** Rejects a NAD that KubeVirt's CR names, and one that comes after another plugin. */
function refuseOtherUses({ logicNetworkName, prevResult }: MacvtapConf, ifname: string): void {
  if (logicNetworkName !== null) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot add macvtap "${ifname}" for network "${logicNetworkName}": a NetworkAttachmentDefinition with binding "macvtap" is a ` +
        "network of its own: name it in the VM's networks, not in the KubeVirt CR's network.binding",
    );
  }
  if (prevResult?.interfaces.some(({ name }) => name === ifname)) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot add macvtap "${ifname}": a plugin before it has made that link; let Tapwire be the first plugin of the network`,
    );
  }
}

/**
 * Adds a result to that of the plugins before. Addresses there refer to interfaces by index, so the
 * new interface comes last.
 */
function addTo(prevResult: PrevResult | null, own: Result): Result {
  if (prevResult === null) return own;
  const { source } = prevResult;
  const interfaces = [source, own].flatMap((result) => result['interfaces'] ?? []);
  return { ...own, ...source, cniVersion: own['cniVersion'], interfaces };
}

/** Requires that kubelet gave the device to this pod: any NAD can name another pod's device. */
async function requireGiven(
  { device }: MacvtapConf,
  { pod, key }: AttachmentRequest,
  { policy, devicesOf }: Surroundings,
): Promise<void> {
  if (device === null) return;
  const subject = `Cannot add macvtap "${key.ifname}" with device "${device.id}"`;
  if (pod.namespace === null || pod.name === null) {
    throw new BindingError('NOT_ALLOWED', `${subject}: the runtime did not name the pod in CNI_ARGS`);
  }
  const { namespace, name } = pod;
  const given = await devicesOf({ namespace, name }, policy.macvtap.kubeletDirectory);
  const resource = fullResourceName(device.resource);
  if (given.some((one) => one.resource === resource && one.ids.includes(device.id))) return;
  throw new BindingError(
    'NOT_ALLOWED',
    `${subject}: kubelet did not give it to pod "${namespace}/${name}"; leave $.deviceID to Multus, and let the annotation ` +
      `k8s.v1.cni.cncf.io/resourceName name "${resource}"`,
  );
}
