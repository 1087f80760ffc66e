import { show } from '../../shared/decode.ts';
import { get } from '../../shared/json.ts';
import { ATTACHMENT_SINCE, FIELD_SINCE, type Minor } from '../kubevirt-versions.ts';
import { type Finding, failure } from './finding.ts';
import type { NadIndex } from './nad-index.ts';
import { wiringOfReference } from './reference.ts';
import { checkServices } from './registration-services.ts';
import { checkPluginValues } from './registration-values.ts';
import type { Registered } from './registrations.ts';
import { checkSidecarKind } from './sidecar-kind.ts';

/**
 * Finds mistakes in a registration that KubeVirt silently accepts: its CRD takes any string, and
 * drops unknown fields.
 *
 * Source: kubevirt staging/src/kubevirt.io/api/core/v1/types.go, by tag
 */
export function checkPlugin(registered: Registered, nads: NadIndex, minor: Minor): readonly Finding[] {
  return [
    ...checkFields(registered, minor),
    ...checkAttachment(registered, minor),
    ...checkNeeds(registered, nads),
    ...checkPluginValues(registered),
    ...checkSidecarKind(registered, nads, minor),
    ...checkServices(registered, nads),
  ];
}

/** Returns the beginning of each message: the name of the binding. */
const about = ({ name }: Registered) => `binding "${name}"`;

function checkFields(registered: Registered, minor: Minor): readonly Finding[] {
  return Object.keys(registered.plugin).flatMap((field) => {
    const since = get(FIELD_SINCE, field) as Minor | undefined;
    if (since !== undefined && since <= minor) return [];
    const reason =
      since === undefined
        ? `it knows only ${namesFor(FIELD_SINCE, minor).join(', ')}`
        : `it came with 1.${since}; remove it`;
    const message = `${about(registered)}: KubeVirt 1.${minor} silently drops the field "${field}": ${reason}`;
    return [failure(registered.at(field), message)];
  });
}

function checkAttachment(registered: Registered, minor: Minor): readonly Finding[] {
  const type = registered.plugin['domainAttachmentType'];
  if (type === undefined || type === null || type === '') return [];
  const known = namesFor(ATTACHMENT_SINCE, minor);
  if (known.some((one) => one === type)) return [];
  const want = known.map((one) => `"${one}"`).join(' or ');
  const message =
    `${about(registered)}: domainAttachmentType ${show(type)} is unknown to KubeVirt 1.${minor}, ` +
    `which silently gives the VM no NIC; want ${want}`;
  return [failure(registered.at('domainAttachmentType'), message)];
}

/** Checks that KubeVirt or a sidecar can create the guest's NIC from what the NAD wires. */
function checkNeeds(registered: Registered, nads: NadIndex): readonly Finding[] {
  const { plugin, at } = registered;
  const type = plugin['domainAttachmentType'] || undefined;
  const image = plugin['sidecarImage'] || undefined;
  const fail = (field: string, reason: string) => [failure(at(field), `${about(registered)}: ${reason}`)];
  switch (wiringOfReference(plugin['networkAttachmentDefinition'], null, nads)) {
    case null:
      return [];
    case 'macvtap':
      return fail('networkAttachmentDefinition', OF_A_NETWORK);
    case 'passt':
      if (type !== undefined) {
        return fail(
          'domainAttachmentType',
          'passt has no tap, so domainAttachmentType does not apply; remove it',
        );
      }
      return image === undefined
        ? fail('sidecarImage', 'only a sidecar can create the NIC for passt; name its image')
        : [];
    case 'tap':
    case 'tap-mq':
    case 'tap-secondary':
    case 'tap-secondary-mq':
      if (type === 'managedTap') return fail('domainAttachmentType', TWO_MASTERS);
      return type === undefined && image === undefined ? fail('domainAttachmentType', NO_NIC) : [];
  }
}

const OF_A_NETWORK =
  'networkAttachmentDefinition names one with binding "macvtap", which creates the link of a network, and ADD rejects it; remove it, ' +
  "and name that NetworkAttachmentDefinition in the VMs' networks";
const TWO_MASTERS =
  'with "managedTap" KubeVirt takes the pod link that networkAttachmentDefinition has wired to a tap, and the VM fails or ' +
  'has no network; write "tap", or remove networkAttachmentDefinition';
const NO_NIC = 'nothing gives the VM a NIC on the tap; write domainAttachmentType "tap"';

function namesFor(since: Readonly<Record<string, Minor>>, minor: Minor): readonly string[] {
  return Object.keys(since).filter((name) => (since[name] ?? 0) <= minor);
}
