import { messageOf } from '../../shared/errors.ts';
import { get, isObject } from '../../shared/json.ts';
import type { CniConf, Multus } from './facts.ts';

/** Extensions that container runtimes read (libcni's ConfFiles). They are case-sensitive. */
const EXTENSION = /\.(conf|conflist|json)$/;
/**
 * Cilium appends this to the files of other programs if cni.exclusive is set, which is the default.
 */
const CILIUM_SUFFIX = '.cilium_bak';

export const isConfName = (name: string): boolean => EXTENSION.test(name);

export const isRenamedName = (name: string): boolean => name.endsWith(CILIUM_SUFFIX);

/** Name of a file before Cilium renamed it. */
export const originalName = (name: string): string => name.slice(0, -CILIUM_SUFFIX.length);

/** Compares file names by bytes, as container runtimes do. */
export const byName = (one: string, other: string): number =>
  Buffer.compare(Buffer.from(one), Buffer.from(other));

export const unusable = (name: string, problem: string): CniConf => ({
  name,
  problem,
  multus: null,
  hasTapwire: false,
});

/** Reads a configuration as libcni does: a list in a .conflist, one plugin in any other file. */
export function parseConf(name: string, text: string): CniConf {
  let conf: unknown;
  try {
    conf = JSON.parse(text);
  } catch (cause) {
    return unusable(name, `it is not JSON: ${messageOf(cause)}`);
  }
  const plugins = name.endsWith('.conflist') ? get(conf, 'plugins') : [conf];
  const list = Array.isArray(plugins) ? plugins : [];
  const types = list.flatMap((plugin) => [plugin, ...delegatesOf(plugin)]).flatMap(typesOf);
  return {
    name,
    problem: problemOf(name, conf, plugins),
    multus: list.map(toMultus).find((multus) => multus !== null) ?? null,
    hasTapwire: types.includes('tapwire'),
  };
}

function problemOf(name: string, conf: unknown, plugins: unknown): string | null {
  if (!isObject(conf)) return 'it is not a JSON object';
  if (name.endsWith('.conflist')) {
    if (!isText(get(conf, 'name'))) return 'the list has no "name"';
    if (!Array.isArray(plugins) || plugins.length === 0) return 'the list has no "plugins"';
    return plugins.every((plugin) => isText(get(plugin, 'type')))
      ? null
      : 'a plugin of the list has no "type"';
  }
  if (isText(get(conf, 'type'))) return null;
  return Array.isArray(get(conf, 'plugins'))
    ? 'it is a list, but only files named *.conflist can be lists'
    : 'it has no "type"';
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Returns the plugins that Multus calls for every pod. A delegate is one plugin or a list. */
function delegatesOf(plugin: unknown): readonly unknown[] {
  const delegates = get(plugin, 'delegates');
  if (!Array.isArray(delegates)) return [];
  return delegates.flatMap((delegate) => {
    const plugins = get(delegate, 'plugins');
    return Array.isArray(plugins) ? plugins : [delegate];
  });
}

const typesOf = (plugin: unknown): readonly unknown[] => [get(plugin, 'type')];

/**
 * Reads Multus' configuration. Null if the plugin is not Multus. The thick Multus has type
 * `multus-shim`.
 */
function toMultus(plugin: unknown): Multus | null {
  const type = get(plugin, 'type');
  if (type !== 'multus' && type !== 'multus-shim') return null;
  const binDirectory = get(plugin, 'binDir');
  return { binDirectory: isText(binDirectory) ? binDirectory : null };
}
