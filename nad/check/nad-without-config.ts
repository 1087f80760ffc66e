import { show } from '../../shared/decode.ts';
import { get, isObject } from '../../shared/json.ts';
import { nearest } from './almost.ts';
import { doubt, error, type Problem } from './finding.ts';
import type { Resource } from './resource.ts';

/** Finds out why a NAD has no usable `spec.config`. */
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
  if (near !== undefined) return [error(`spec.${near} is an unknown key; want spec.config`)];
  // Multus then reads a file on the node, which is not in the input. This is legitimate, so report
  // it only if the NAD mentions Tapwire.
  const { metadata: _, ...rest } = value;
  if (!mentionsUs(name) && !mentionsUs(JSON.stringify(rest))) return [];
  const file = `a file for network "${name}" in /etc/cni/multus/net.d on every node`;
  return [doubt(`it has no spec.config, so Multus needs ${file}; write spec.config`)];
}

const isConfig = (key: string): boolean =>
  nearest(key, ['config', 'conf', 'configuration', 'type', 'plugins', 'cniVersion']) !== undefined;

const mentionsUs = (text: string): boolean => /tap-?wire/i.test(text);
