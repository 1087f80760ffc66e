import type { NetConf } from '../../cni/request/config.ts';
import { show } from '../../shared/decode.ts';
import { get } from '../../shared/json.ts';
import { fullResourceName, MAX_RESOURCE } from '../../shared/kubelet/device-id.ts';
import { RESOURCE_ANNOTATION } from '../generate/nad.ts';
import { type ChainPlugin, OURS } from './chain.ts';
import { doubt, error, type Problem } from './finding.ts';
import type { Resource } from './resource.ts';

/** What other checks need to know of a NAD with binding "macvtap". */
export interface MacvtapSeen {
  /** Resource of its device; null: without a device plugin, where no VM can use it. */
  readonly resource: string | null;
  readonly master: string | null;
  readonly queues: number;
}

type MacvtapConf = Extract<NetConf, { binding: 'macvtap' }>;

/** Prefix of the resources that have no domain of their own in the node policy file. */
const OWN_DOMAIN = fullResourceName('');
/** The `type` of macvtap-cni, whose NADs become Tapwire's by a change of one line. */
const OTHER_PLUGIN = 'macvtap';
const OTHER_DOMAIN = 'macvtap.network.kubevirt.io/';

/** The resource that the annotation of a NAD names; null without one. */
export function resourceOf(nad: Resource): string | null {
  const resource = get(nad.value, 'metadata', 'annotations', RESOURCE_ANNOTATION);
  return typeof resource === 'string' && resource !== '' ? resource : null;
}

/** Finds out whether ADD can get a device for a NAD with binding "macvtap". */
export function* problemsOfMacvtap(
  { path, conf }: ChainPlugin,
  { master, promiscMode }: MacvtapConf,
  resource: string | null,
): Iterable<Problem> {
  if (resource !== null) yield* problemsOfResource(resource);
  else if (master === null) yield error(NO_DEVICE);
  if (get(conf, 'deviceID') !== undefined) {
    const outcome = resource === null ? 'ADD rejects it for every other pod' : 'Multus replaces it';
    yield doubt(`${path}.deviceID is the device of one pod, and ${outcome}; remove it`);
  }
  if (promiscMode) {
    yield doubt(
      `${path}.promiscMode has no effect by itself: ADD rejects it unless the entry in the node policy file has "promisc": true`,
    );
  }
}

const NO_DEVICE =
  `without the annotation ${RESOURCE_ANNOTATION}, no pod gets a device, and ADD rejects it; ` +
  `add it, with a resource such as "${fullResourceName('vm-lan')}"`;

/** An extended resource of Kubernetes, and the domains that Kubernetes keeps for itself. */
const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\/[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/;
const RESERVED = /^requests\.|kubernetes\.io\//;

function* problemsOfResource(resource: string): Iterable<Problem> {
  const subject = `annotation ${RESOURCE_ANNOTATION}`;
  if (!NAME.test(resource) || RESERVED.test(resource)) {
    yield error(
      `${subject}: ${show(resource)} is not the name of a resource; want one such as "${fullResourceName('vm-lan')}"`,
    );
    return;
  }
  const isOwn = resource.startsWith(OWN_DOMAIN);
  const name = isOwn ? resource.slice(OWN_DOMAIN.length) : resource;
  if (name.length > MAX_RESOURCE) {
    yield error(
      `${subject}: the node policy file cannot offer "${name}", which has more than ${MAX_RESOURCE} characters; shorten it`,
    );
  } else if (!isOwn) {
    yield doubt(
      `${subject}: "${resource}" must be the "name" of a resource in the node policy file ($.macvtap.resources); ` +
        'ADD rejects the device of another device plugin',
    );
  }
}

/**
 * Finds NADs of macvtap-cni that fail as Tapwire's would, and those of which only a part was
 * changed to Tapwire.
 */
export function* problemsOfOtherMacvtap(
  plugins: readonly ChainPlugin[],
  ours: NetConf['binding'] | null,
  resource: string | null,
): Iterable<Problem> {
  const [first] = plugins;
  const other = plugins.find(({ type }) => type === OTHER_PLUGIN);
  if (other !== undefined) {
    if (get(other.conf, 'binding') === OTHER_PLUGIN) {
      yield error(
        `${other.path}.type is "${OTHER_PLUGIN}", which is macvtap-cni, but it has the key "binding" of Tapwire; want "type": "tapwire"`,
      );
    } else if (resource === null) {
      yield error(
        `without the annotation ${RESOURCE_ANNOTATION}, macvtap-cni gets no device, and no pod can use it; add it`,
      );
    }
  }
  const isOfMacvtap = [OWN_DOMAIN, OTHER_DOMAIN].some((domain) => resource?.startsWith(domain));
  if (ours === 'tap' && first?.type === OURS && isOfMacvtap) {
    yield doubt(
      `the annotation ${RESOURCE_ANNOTATION} asks for a device, but ${first.path} is of binding "tap", which needs none; ` +
        'for a macvtap, add "binding": "macvtap"',
    );
  }
}
