import { decodeNetConf, type PasstConf } from '../../cni/request/config.ts';
import { pluginsOf } from '../../nad/check/nads.ts';
import { get } from '../../shared/json.ts';

/**
 * What libcni, and so every runtime and Multus, keeps of an ADD that succeeded.
 *
 * Source: libcni api.go, cachedInfo
 */
export interface CniResult {
  readonly containerId: string;
  /** Null where the result does not tell. */
  readonly netns: string | null;
  /** `namespace/name`; null outside of Kubernetes. */
  readonly pod: string | null;
  /** Who may ping, as the configuration asked for Tapwire's binding "passt"; null where it was another. */
  readonly passt: Pick<PasstConf, 'group'> | null;
}

/** Where they are: of the runtime's default network, and of all others. */
export const RESULT_DIRECTORIES = ['/var/lib/cni/results', '/var/lib/cni/multus/results'];

/** Reads one such file; null for what is none. Pure. */
export function parseCniResult(text: string): CniResult | null {
  const value = parse(text);
  const containerId = get(value, 'containerId');
  if (typeof containerId !== 'string' || containerId === '') return null;
  return { containerId, netns: netnsOf(value), pod: podOf(value), passt: passtOf(value) };
}

/** Results of one container are for one netns, and mostly only that of its first network tells which. */
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

/** libcni writes it since 1.3; before that links in the result name it. */
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

/** The configuration is a whole list of plugins, or one alone; in base64, as Go writes bytes. */
function passtOf(value: unknown): CniResult['passt'] {
  const config = get(value, 'config');
  const conf = typeof config === 'string' ? parse(Buffer.from(config, 'base64').toString()) : null;
  const ours = pluginsOf(conf).find((plugin) => get(plugin, 'type') === 'tapwire');
  if (get(ours, 'binding') !== 'passt') return null;
  try {
    const decoded = decodeNetConf({ cniVersion: '1.0.0', name: 'passt', ...(ours as object) });
    return decoded.binding === 'passt' ? decoded : null;
  } catch {
    return null; // then ADD did not succeed with it either
  }
}
