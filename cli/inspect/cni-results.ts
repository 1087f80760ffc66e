import { decodeNetConf, type PasstConf } from '../../cni/request/config.ts';
import { pluginsOf } from '../../nad/check/nad-config.ts';
import { get } from '../../shared/json.ts';

/**
 * A cached result of a successful ADD. libcni writes it, and so do Multus and all container
 * runtimes that use libcni.
 *
 * Source: libcni api.go, cachedInfo
 */
export interface CniResult {
  readonly containerId: string;
  /** Path of the netns; null if the result does not name it. */
  readonly netns: string | null;
  /** `namespace/name`; null outside Kubernetes. */
  readonly pod: string | null;
  /**
   * Group that may ping, from the configuration of the binding "passt"; null for other
   * configurations.
   */
  readonly passt: Pick<PasstConf, 'group'> | null;
}

/**
 * Directories of cached results: those of the container runtime (default network) and of Multus
 * (all other networks).
 */
export const RESULT_DIRECTORIES = ['/var/lib/cni/results', '/var/lib/cni/multus/results'];

/** Parses a cached result. Null if the text is not one. Pure. */
export function parseCniResult(text: string): CniResult | null {
  const value = parse(text);
  const containerId = get(value, 'containerId');
  if (typeof containerId !== 'string' || containerId === '') return null;
  return { containerId, netns: netnsOf(value), pod: podOf(value), passt: passtOf(value) };
}

/**
 * Fills in missing netns paths. All results of a container belong to one netns, but often only that
 * of its first network names it.
 */
export function fillNetns(results: readonly CniResult[]): readonly CniResult[] {
  const known = new Map(results.map(({ containerId, netns }) => [netns && containerId, netns]));
  return results.map((result) => ({
    ...result,
    netns: result.netns ?? known.get(result.containerId) ?? null,
  }));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Path of the netns. libcni 1.3 and newer writes it; older versions leave it in the interfaces of
 * the result.
 */
function netnsOf(value: unknown): string | null {
  const interfaces = get(value, 'result', 'interfaces');
  const sandboxes = Array.isArray(interfaces) ? interfaces.map((one) => get(one, 'sandbox')) : [];
  const paths = [get(value, 'netns'), ...sandboxes];
  return paths.find((path): path is string => typeof path === 'string' && path.startsWith('/')) ?? null;
}

function podOf(value: unknown): string | null {
  const pairs = get(value, 'cniArgs');
  const args = new Map<unknown, unknown>(Array.isArray(pairs) ? pairs.filter(Array.isArray).map(toPair) : []);
  const [namespace, name] = [args.get('K8S_POD_NAMESPACE'), args.get('K8S_POD_NAME')];
  return typeof namespace === 'string' && typeof name === 'string' ? `${namespace}/${name}` : null;
}

const toPair = ([key, value]: readonly unknown[]): [unknown, unknown] => [key, value];

/** Reads the plugin's configuration, a list of plugins or a single one, in base64. */
function passtOf(value: unknown): CniResult['passt'] {
  const config = get(value, 'config');
  const conf = typeof config === 'string' ? parse(Buffer.from(config, 'base64').toString()) : null;
  const ours = pluginsOf(conf).find((plugin) => get(plugin, 'type') === 'tapwire');
  if (get(ours, 'binding') !== 'passt') return null;
  try {
    const decoded = decodeNetConf({ cniVersion: '1.0.0', name: 'passt', ...(ours as object) });
    return decoded.binding === 'passt' ? decoded : null;
  } catch {
    return null; // ADD did not succeed with this configuration either
  }
}
