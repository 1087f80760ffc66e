import { type Finding, warning } from './finding.ts';
import type { NadSeen } from './nads.ts';
import { parseReference } from './reference.ts';
import type { Registered } from './registrations.ts';

/**
 * Whether the NAD that a registration names is there, and runs Tapwire if it almost does.
 *
 * @param hasVms with VMs, or with NADs, files are meant to be whole; a registration alone is not
 */
export function checkReference(
  { name, plugin, at }: Registered,
  nads: readonly NadSeen[],
  hasVms: boolean,
): readonly Finding[] {
  const text = plugin['networkAttachmentDefinition'];
  if (typeof text !== 'string' || text === '') return [];
  const reference = parseReference(text);
  const nad = nads.find(
    (one) => one.name === reference.name && one.namespace === (reference.namespace ?? one.namespace),
  );
  const warn = (reason: string) => [
    warning(at('networkAttachmentDefinition'), `binding "${name}": ${reason}`),
  ];
  const subject = `NetworkAttachmentDefinition "${text}"`;
  if (nad === undefined) {
    const isAlone = nads.length === 0 && !hasVms;
    return isAlone ? [] : warn(`${subject} is not in these files; is it in the cluster?`);
  }
  return [];
}
