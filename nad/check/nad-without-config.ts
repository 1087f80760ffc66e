import { show } from '../../shared/decode.ts';
import { get, isObject } from '../../shared/json.ts';
import { nearest } from './almost.ts';
import { doubt, error, type Problem } from './finding.ts';
import type { Resource } from './resource.ts';

/** Says what is wrong with a NAD whose `spec.config` is not a text with something in it. */
export function problemsOfMissing({ value, name }: Resource): readonly Problem[] {
  const spec = get(value, 'spec');
  const config = get(spec, 'config');
  if (config !== undefined && config !== null && typeof config !== 'string') {
    const remedy = 'write its JSON as text, between single quotes or in a block ("config: |")';
    return [
      error(`spec.config is not a string but ${show(config)}, and the API server rejects it; ${remedy}`),
    ];
  }
  const near = isObject(spec)
    ? Object.keys(spec).find((key) => key !== 'config' && isConfig(key))
    : undefined;
  if (near !== undefined) return [error(`spec.${near} is a key that nobody reads; want spec.config`)];
  // Multus then takes a file of the node, which is not here to be checked; people who use that do not call it ours.
  const { metadata: _, ...rest } = value;
  if (!mentionsUs(name) && !mentionsUs(JSON.stringify(rest))) return [];
  const file = `a file with a network of the name "${name}" in /etc/cni/multus/net.d of every node`;
  return [doubt(`it has no spec.config, and without one Multus wants ${file}; write spec.config`)];
}

const isConfig = (key: string): boolean =>
  nearest(key, ['config', 'conf', 'configuration', 'type', 'plugins', 'cniVersion']) !== undefined;

const mentionsUs = (text: string): boolean => /tap-?wire/i.test(text);
