import { get } from '../../shared/json.ts';
import { OURS } from './chain.ts';
import type { Document } from './document.ts';
import { type Finding, failure } from './finding.ts';
import { pluginsOf } from './nad-config.ts';

/** Whether a document is a CNI configuration, as in /etc/cni/net.d. */
export const isConflist = ({ value }: Document): boolean =>
  get(value, 'kind') === undefined && typeof get(value, 'cniVersion') === 'string';

/**
 * Finds Tapwire in the configuration of a node's default network, or of Multus, where it would take
 * the network of every pod.
 */
export function checkConflist({ value, at }: Document): readonly Finding[] {
  const delegates = get(value, 'delegates');
  const confs = [value, ...(Array.isArray(delegates) ? delegates : [])];
  if (!confs.flatMap(pluginsOf).some((plugin) => get(plugin, 'type') === OURS)) return [];
  const reason =
    'type "tapwire" in the configuration of a node\'s default network would take the network of every pod; ' +
    "remove it, and name a NetworkAttachmentDefinition in the KubeVirt CR's network.binding instead";
  return [failure(at('$'), reason)];
}
