import { decodeNetConf, type NetConf } from '../../cni/config.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Document } from './document.ts';
import { doubt, error, type Finding, failure, findingsAt, type Problem } from './finding.ts';
import { fullName, get, isObject, type Resource } from './resource.ts';

/** A NetworkAttachmentDefinition, as far as others depend on it. */
export interface NadSeen {
  readonly namespace: string;
  readonly name: string;
  /** What our plugin in it makes; null: ours is not in it, or is not understood. */
  readonly wires: Wires | null;
  /** Whether no plugin before ours makes a link: such a NAD is for a registration, and not for a network. */
  readonly isAlone: boolean;
  /** Of the plugins that it runs, in their order. */
  readonly types: readonly string[];
}

/** What a VM's interface finds in the pod. */
export const WIRES = ['tap', 'tap-mq', 'tap-secondary', 'tap-secondary-mq', 'passt'] as const;
export type Wires = (typeof WIRES)[number];

export const OURS = 'tapwire';

/** Reads a NAD, and says what is wrong with the configuration of our plugin in it. */
export function checkNad(nad: Resource): { readonly seen: NadSeen; readonly findings: readonly Finding[] } {
  const { namespace, name } = nad;
  const config = get(nad.value, 'spec', 'config');
  const place = nad.at('$.spec.config');
  const subject = `NetworkAttachmentDefinition "${fullName(nad)}"`;
  const none = { namespace, name, wires: null, isAlone: false, types: [] };
  // Without one Multus takes a file of the node's, which is not here to be checked.
  if (typeof config !== 'string' || config.trim() === '') return { seen: none, findings: [] };

  let conf: unknown;
  try {
    conf = JSON.parse(config);
  } catch (cause) {
    const problem = error(`its configuration is no JSON, so no pod can use it: ${messageOf(cause)}`);
    return { seen: none, findings: findingsAt(place, subject, [problem]) };
  }
  const read = readPlugins(conf, name);
  return {
    seen: { namespace, name, wires: read.wires, isAlone: read.isAlone, types: typesOf(conf) },
    findings: findingsAt(place, subject, read.problems),
  };
}

interface PluginsRead extends Pick<NadSeen, 'wires' | 'isAlone'> {
  readonly problems: readonly Problem[];
}

function readPlugins(conf: unknown, name: string): PluginsRead {
  const list = pluginsOf(conf);
  const ours = list.findIndex((plugin) => get(plugin, 'type') === OURS);
  if (ours === -1) return { wires: null, isAlone: false, problems: [] };
  const where = get(conf, 'plugins') === undefined ? '$' : `$.plugins[${ours}]`;
  const isAlone = ours === 0;
  // As libcni gives it to the plugin; Multus fills in the name.
  const given = { name, ...pick(conf, 'cniVersion', 'name'), ...(list[ours] as object) };
  const problems = [...problemsOfChain(list, ours, where)];
  try {
    const decoded = decodeNetConf(given);
    const { unknownKeys, logicNetworkName } = decoded;
    for (const key of unknownKeys) problems.push(doubt(unread(`${where}.${key}`)));
    if (logicNetworkName !== null) problems.push(error(byHand(where)));
    return { wires: wiresOf(decoded), isAlone, problems };
  } catch (cause) {
    return { wires: null, isAlone, problems: [...problems, error(messageOf(cause).replace('$', where))] };
  }
}

function wiresOf(conf: NetConf): Wires {
  if (conf.binding === 'passt') return 'passt';
  if (conf.network === 'secondary') return conf.multiQueue ? 'tap-secondary-mq' : 'tap-secondary';
  return conf.multiQueue ? 'tap-mq' : 'tap';
}

/** The plugins that a configuration runs, in their order: its list, or itself. */
export function pluginsOf(conf: unknown): readonly unknown[] {
  const list = get(conf, 'plugins');
  return Array.isArray(list) ? list : [conf];
}

const typesOf = (conf: unknown): readonly string[] =>
  pluginsOf(conf)
    .map((plugin) => get(plugin, 'type'))
    .filter((type) => typeof type === 'string');

function pick(conf: unknown, ...keys: readonly string[]): object {
  return Object.fromEntries(
    keys.map((key) => [key, get(conf, key)]).filter(([, value]) => value !== undefined),
  );
}

function* problemsOfChain(list: readonly unknown[], ours: number, where: string): Iterable<Problem> {
  if (list.filter((plugin) => get(plugin, 'type') === OURS).length > 1) {
    yield error(`type "${OURS}" is in its chain twice; leave one of them out`);
  }
  if (ours === 0 && list.length > 1) {
    yield error(
      `${where} comes before the plugin that makes the link that it is to wire; put it behind that one`,
    );
  }
  const late = list.slice(ours + 1).find((plugin) => get(plugin, 'type') === 'tuning');
  if (get(late, 'mac') !== undefined || get(late, 'mtu') !== undefined) {
    yield doubt(
      `"tuning" behind ${where} changes a MAC address or MTU that the guest then does not have; put it before`,
    );
  }
}

const unread = (path: string) => `${path} is a key that nobody reads; is it misspelt?`;

const byHand = (where: string) =>
  `${where}.args.cni.logicNetworkName is what KubeVirt tells the plugin for each interface; ` +
  'written here it wires the wrong one, so leave it out';

/**
 * Finds our plugin where it would take the network of every pod: in the configuration of a node's default network, or in Multus'.
 *
 * @param conf a file of /etc/cni/net.d
 */
export function checkConflist({ value, at }: Document): readonly Finding[] {
  const delegates = get(value, 'delegates');
  const confs = [value, ...(Array.isArray(delegates) ? delegates : [])];
  const isOurs = confs.flatMap(pluginsOf).some((plugin) => isObject(plugin) && get(plugin, 'type') === OURS);
  if (!isOurs) return [];
  const reason =
    'type "tapwire" in the configuration of a node\'s default network would take the network of every pod; ' +
    "take it out, and name a NetworkAttachmentDefinition in the KubeVirt CR's network.binding instead";
  return [failure(at('$'), reason)];
}
