import { newestSupported } from '../../cni/request/config.ts';
import { show } from '../../shared/decode.ts';
import { messageOf } from '../../shared/errors.ts';
import { get, isObject, type JsonObject } from '../../shared/json.ts';
import { nearest } from './almost.ts';
import { error, type Problem } from './finding.ts';

/** `type` of Tapwire's plugin. */
export const OURS = 'tapwire';

/** One plugin of a network configuration. */
export interface ChainPlugin {
  /** JSON path in the configuration, such as `$` or `$.plugins[0]`. */
  readonly path: string;
  readonly type: string;
  /**
   * Configuration that the plugin gets on stdin, without the keys that the runtime adds for a pod.
   */
  readonly conf: JsonObject;
}

export interface Chain {
  /** Plugins in the order in which they run. */
  readonly plugins: readonly ChainPlugin[];
  readonly problems: readonly Problem[];
}

/**
 * Reads the configuration in a NAD as Multus and libcni do: "type" takes precedence over "plugins",
 * and name and version of a list over those of its plugins. Pure.
 *
 * @param name name of the NAD, which Multus fills in if the configuration has none
 * Source: multus-cni pkg/types LoadDelegateNetConf; libcni NetworkConfFromBytes, buildOneConfig
 */
export function readChain(config: string, name: string): Chain {
  let conf: unknown;
  try {
    conf = JSON.parse(config);
  } catch (cause) {
    return broken(
      `its configuration is not JSON, so no pod can use it: ${messageOf(cause)}${adviceOn(config)}`,
    );
  }
  if (!isObject(conf))
    return broken(`its configuration is not a JSON object but ${show(conf)}, so no pod can use it`);
  const named = { ...conf, name: conf['name'] === undefined || conf['name'] === '' ? name : conf['name'] };
  const type = typeOf(conf);
  const plugins = get(conf, 'plugins');
  if (type !== undefined && type !== '')
    return toChain([readPlugin(conf, named, '$'), ...skippedPlugins(plugins)]);
  if (plugins === undefined)
    return broken(`$ has neither "type" nor "plugins", so no pod can use it${hintOn(conf)}`);
  if (!Array.isArray(plugins))
    return broken(`$.plugins is not a list but ${show(plugins)}, so no pod can use it`);
  if (plugins.length === 0) return broken('$.plugins is empty, so no pod can use it; name a plugin in it');
  const common = { name: named.name, cniVersion: versionOf(conf) };
  return toChain(plugins.map((plugin, i) => readPlugin(plugin, { ...plugin, ...common }, `$.plugins[${i}]`)));
}

/** Reports Tapwire in a list that is ignored, because it looks as if Tapwire ran. */
function skippedPlugins(plugins: unknown): readonly Problem[] {
  if (!Array.isArray(plugins) || !plugins.some((plugin) => get(plugin, 'type') === OURS)) return [];
  return [error('$.plugins is ignored, because $.type takes precedence; remove $.type')];
}

const broken = (reason: string): Chain => ({ plugins: [], problems: [error(reason)] });

function toChain(read: readonly (ChainPlugin | Problem)[]): Chain {
  return {
    plugins: read.filter((one) => 'path' in one),
    problems: read.filter((one) => 'reason' in one),
  };
}

function readPlugin(plugin: unknown, conf: JsonObject, path: string): ChainPlugin | Problem {
  if (!isObject(plugin)) return error(`${path} is not an object but ${show(plugin)}, so no pod can use it`);
  const type = typeOf(plugin);
  if (typeof type === 'string' && type !== '') return { path, type, conf };
  if (type !== undefined && type !== '')
    return error(`${path}.type is not a string but ${show(type)}, so no pod can use it`);
  return error(`${path} has no "type", so no pod can use it${hintOn(plugin)}`);
}

/** Finds `type` as Go does: an exact key first, then one in another case. */
function typeOf(plugin: JsonObject): unknown {
  return get(plugin, 'type') ?? Object.entries(plugin).find(([key]) => key.toLowerCase() === 'type')?.[1];
}

/** Version of a list. If a list offers several, libcni takes the newest that it knows. */
function versionOf(list: JsonObject): unknown {
  const [version, versions] = [get(list, 'cniVersion'), get(list, 'cniVersions')];
  const offered = [version, ...(Array.isArray(versions) ? versions : [])];
  return newestSupported(offered) ?? version ?? '';
}

function hintOn(conf: JsonObject): string {
  const key = Object.keys(conf).find((one) => nearest(one, ['type', 'plugins']) !== undefined);
  return key === undefined
    ? ''
    : `; ${show(key)} is not the same as ${show(nearest(key, ['type', 'plugins']))}`;
}

/** Common mistakes that are not JSON, with the remedy. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/[“”„‟«»]/, 'replace the typographic quotes by "'],
  [/^\s*(\/\/|#)|[,{[]\s*(\/\/|#|\/\*)/m, 'remove the comments'],
  [/,\s*[}\]]/, 'remove the comma before the closing bracket'],
  [/^\s*[\w"]+:\s/, 'write JSON, not YAML'],
  [/^\s*\{\s*'/, 'write " instead of \''],
];

function adviceOn(config: string): string {
  const advice = ADVICE.find(([pattern]) => pattern.test(config))?.[1];
  return advice === undefined ? '' : `; ${advice}`;
}
