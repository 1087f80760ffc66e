import { type Finding, warning } from './finding.ts';
import type { NadIndex } from './nad-index.ts';
import { parseReference } from './reference.ts';
import type { Registered } from './registrations.ts';

/**
 * Whether the NAD that a registration names is there.
 *
 * @param hasVms with VMs, or with NADs, files are meant to be whole; a registration alone is not
 */
export function checkReference(
  { name, plugin, at }: Registered,
  nads: NadIndex,
  hasVms: boolean,
): readonly Finding[] {
  const text = plugin['networkAttachmentDefinition'];
  if (typeof text !== 'string' || text === '' || (nads.isEmpty && !hasVms)) return [];
  const { namespace, name: nad } = parseReference(text);
  const isThere = namespace === null ? nads.named(nad).length > 0 : nads.find(namespace, nad) !== undefined;
  if (isThere) return [];
  const reason = `NetworkAttachmentDefinition "${text}" is not in these files; is it in the cluster?`;
  return [warning(at('networkAttachmentDefinition'), `binding "${name}": ${reason}`)];
}
