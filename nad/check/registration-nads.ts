import { type Finding, warning } from './finding.ts';
import type { NadIndex } from './nad-index.ts';
import { parseReference } from './reference.ts';
import type { Registered } from './registrations.ts';

/**
 * Finds a registration whose NAD is missing. Files that contain only registrations are not
 * complete, so nothing is reported there.
 *
 * @param hasVms whether the files contain VMs
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
  const reason = `NetworkAttachmentDefinition "${text}" is not in these files; check that the cluster has it`;
  return [warning(at('networkAttachmentDefinition'), `binding "${name}": ${reason}`)];
}
