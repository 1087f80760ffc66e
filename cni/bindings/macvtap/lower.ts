import { BindingError } from '../../../shared/errors.ts';
import { fullResourceName, ifindexWithoutDevice } from '../../../shared/kubelet/device-id.ts';
import type { AttachmentKey } from '../../../shared/record.ts';
import type { LowerDevice, MacvtapLowers } from '../../policy/macvtap-policy.ts';
import { NODE_FILE } from '../../policy/node-policy.ts';
import type { MacvtapConf } from '../../request/config.ts';

/** Where a macvtap goes: an entry of the node policy file, and the index of the link. */
export interface Place {
  readonly entry: LowerDevice;
  /** Path of the entry, for messages. */
  readonly path: string;
  readonly ifindex: number;
}

/**
 * Finds the entry of the node policy file that a configuration may use. Pure.
 *
 * @throws {BindingError} NOT_ALLOWED, INVALID_CONFIG
 */
export function placeOf(key: AttachmentKey, conf: MacvtapConf, lowers: MacvtapLowers): Place {
  const place = conf.device === null ? placeOfMaster(key, conf, lowers) : placeOfDevice(conf, lowers);
  if (!conf.promiscMode || place.entry.promisc) return place;
  throw notAllowed(
    key,
    `$.promiscMode is true, but ${place.path} of ${NODE_FILE} on this node does not allow it`,
  );
}

function placeOfDevice({ device, master }: MacvtapConf, { resources }: MacvtapLowers): Place {
  const { resource = '', ifindex = 0, id = '' } = device ?? {};
  const index = resources.findIndex(({ name }) => name === resource);
  const entry = resources[index];
  if (entry === undefined) {
    throw new BindingError(
      'NOT_ALLOWED',
      `Cannot use device "${id}": $.macvtap.resources of ${NODE_FILE} on this node has no "${resource}"`,
    );
  }
  if (master !== null && master !== entry.lowerDevice) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot read $.master: want "${entry.lowerDevice}", the lower device of "${fullResourceName(resource)}", or no such key, got "${master}"`,
    );
  }
  return { entry, path: `$.macvtap.resources[${index}]`, ifindex };
}

function placeOfMaster(key: AttachmentKey, { master }: MacvtapConf, { masters }: MacvtapLowers): Place {
  if (master === null) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot add macvtap "${key.ifname}": there is no $.deviceID, so kubelet gave the pod no device. The VM's pod must request ` +
        'the resource that the annotation k8s.v1.cni.cncf.io/resourceName of this NetworkAttachmentDefinition names: ' +
        'KubeVirt adds the request, or, with its feature gate ExternalNetResourceInjection (on since 1.9), network-resources-injector',
    );
  }
  const index = masters.findIndex(({ lowerDevice }) => lowerDevice === master);
  const entry = masters[index];
  if (entry === undefined) {
    throw notAllowed(key, `$.macvtap.masters of ${NODE_FILE} on this node does not list "${master}"`);
  }
  return {
    entry,
    path: `$.macvtap.masters[${index}]`,
    ifindex: ifindexWithoutDevice(key.containerId, key.ifname),
  };
}

const notAllowed = ({ ifname }: AttachmentKey, reason: string): BindingError =>
  new BindingError('NOT_ALLOWED', `Cannot add macvtap "${ifname}": ${reason}`);
