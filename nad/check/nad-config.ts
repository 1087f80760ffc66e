import { decodeNetConf, type NetConf, requireBase } from '../../cni/request/config.ts';
import { show } from '../../shared/decode.ts';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { get } from '../../shared/json.ts';
import { isAlmost } from './almost.ts';
import { type Chain, type ChainPlugin, OURS, readChain } from './chain.ts';
import { doubt, error, type Finding, findingsAt, type Problem } from './finding.ts';
import { type MacvtapSeen, problemsOfMacvtap, problemsOfOtherMacvtap, resourceOf } from './macvtap-nad.ts';
import { problemsOfMissing } from './nad-without-config.ts';
import { fullName, type Resource } from './resource.ts';

/** Facts about a NetworkAttachmentDefinition that other checks need. */
export interface NadSeen {
  readonly namespace: string;
  readonly name: string;
  /** What Tapwire does in this NAD; null if it does not run Tapwire, or is invalid. */
  readonly wiring: Wired['wiring'] | null;
  /** What VMs need for a macvtap; null for every other wiring. */
  readonly macvtap: MacvtapSeen | null;
  readonly servesGuest: Wired['servesGuest'];
  /**
   * Whether no plugin before Tapwire creates a link. Such a NAD is for a registration, not for a
   * network, unless Tapwire creates the link itself: a macvtap.
   */
  readonly isFirst: boolean;
  /** The NAD's plugins in the order in which they run. */
  readonly plugins: readonly ChainPlugin[];
}

/** Kinds of wiring that a VM's interface finds in the pod. */
export type Wiring = 'tap' | 'tap-mq' | 'tap-secondary' | 'tap-secondary-mq' | 'macvtap' | 'passt';

/** What Tapwire does with a configuration. */
export interface Wired {
  readonly wiring: Wiring;
  /** Whether the guest gets the addresses of the pod link, and no others. */
  readonly servesGuest: boolean;
}

/** Reads a NAD, and finds mistakes in its configuration of Tapwire. */
export function checkNad(nad: Resource): { readonly seen: NadSeen; readonly findings: readonly Finding[] } {
  const { namespace, name } = nad;
  const config = get(nad.value, 'spec', 'config');
  const subject = `NetworkAttachmentDefinition "${fullName(nad)}"`;
  const none = { namespace, name, ...NOTHING, plugins: [] };
  if (typeof config !== 'string' || config.trim() === '') {
    const findings = findingsAt(nad.at('$.spec'), subject, problemsOfMissing(nad));
    return { seen: none, findings };
  }
  const chain = readChain(config, name);
  const read = readOurs(chain, resourceOf(nad));
  return {
    seen: { namespace, name, ...read.seen, plugins: chain.plugins },
    findings: findingsAt(nad.at('$.spec.config'), subject, [...chain.problems, ...read.problems]),
  };
}

interface OursRead {
  readonly seen: Pick<NadSeen, 'wiring' | 'isFirst' | 'macvtap' | 'servesGuest'>;
  readonly problems: readonly Problem[];
}

const NOTHING = { wiring: null, isFirst: false, macvtap: null, servesGuest: false } as const;

/** @param resource from which the NAD asks for a device; null if it asks for none */
function readOurs({ plugins }: Chain, resource: string | null): OursRead {
  const ours = plugins.find(({ type }) => type === OURS);
  const problems = plugins.flatMap(problemsOfType);
  if (ours === undefined) {
    return { seen: NOTHING, problems: [...problems, ...problemsOfOtherMacvtap(plugins, null, resource)] };
  }
  const isMacvtap = get(ours.conf, 'binding') === 'macvtap';
  problems.push(...(isMacvtap ? problemsOfMacvtapOrder(plugins) : problemsOfOrder(plugins)));
  const isFirst = ours === plugins[0];
  try {
    checkIdentity(ours.conf);
    const decoded = decodeNetConf(ours.conf);
    const { unknownKeys, logicNetworkName } = decoded;
    for (const key of unknownKeys) problems.push(doubt(unread(`${ours.path}.${key}`)));
    if (logicNetworkName !== null) problems.push(error(byHand(ours.path)));
    problems.push(...problemsOfOtherMacvtap(plugins, decoded.binding, resource));
    if (decoded.binding === 'macvtap') problems.push(...problemsOfMacvtap(ours, decoded, resource));
    const { binding } = decoded;
    const macvtap =
      binding === 'macvtap' ? { resource, master: decoded.master, queues: decoded.queues } : null;
    return { seen: { ...wiredBy(decoded), isFirst, macvtap }, problems };
  } catch (cause) {
    problems.push(error(messageOf(cause).replace('$', ours.path)));
    return { seen: { ...NOTHING, isFirst }, problems };
  }
}

export const wiredBy = (conf: NetConf): Wired => ({
  wiring: wiringOf(conf),
  servesGuest: conf.binding === 'tap' && conf.guestAddresses === 'pod',
});

function wiringOf(conf: NetConf): Wiring {
  switch (conf.binding) {
    case 'macvtap':
    case 'passt':
      return conf.binding;
    case 'tap':
      if (conf.network === 'secondary') return conf.multiQueue ? 'tap-secondary-mq' : 'tap-secondary';
      return conf.multiQueue ? 'tap-mq' : 'tap';
  }
}

/**
 * Rejects the versions and names that ADD rejects before it reads other keys, and adds a remedy to
 * ADD's message.
 */
function checkIdentity(conf: unknown): void {
  try {
    requireBase(conf, 'ADD');
  } catch (cause) {
    if (!(cause instanceof BindingError)) throw cause;
    const { code, message, details } = cause;
    const remedy = code === 'INCOMPATIBLE_VERSION' ? '; write "cniVersion": "1.0.0"' : '';
    const text = details === undefined ? message : `${message}: ${details}`;
    throw new BindingError(code, `ADD rejects it: ${text}${remedy}`, { cause });
  }
}

/**
 * Finds misspelt types: they look like "tapwire", but the CNI bin directory has no plugin of that
 * name.
 */
function problemsOfType({ path, type }: ChainPlugin): readonly Problem[] {
  const folded = type.trim().toLowerCase();
  if (type === OURS) return [];
  if (folded === OURS) return [error(`${path}.type is ${show(type)}; want "${OURS}"`)];
  const isMeant = folded.includes(OURS) || isAlmost(folded, OURS); // "tapwire-tap" is a NAD, not a plugin
  return isMeant ? [doubt(`${path}.type is ${show(type)}, not "${OURS}"; check the spelling`)] : [];
}

function* problemsOfOrder(plugins: readonly ChainPlugin[]): Iterable<Problem> {
  const index = plugins.findIndex(({ type }) => type === OURS);
  const [ours, ...after] = index === -1 ? [] : plugins.slice(index);
  if (ours === undefined) return;
  if (after.some(({ type }) => type === OURS)) {
    yield error(`type "${OURS}" is in its chain twice; remove one of them`);
  }
  if (index === 0 && after.length > 0) {
    yield error(
      `${ours.path} comes before the plugin that creates the link to wire; put it after that plugin`,
    );
  }
  const late = after.find(({ type }) => type === 'tuning')?.conf;
  if (get(late, 'mac') !== undefined || get(late, 'mtu') !== undefined) {
    yield doubt(
      `"tuning" after ${ours.path} changes a MAC address or MTU, but the guest keeps the old one; put "tuning" before it`,
    );
  }
}

/** A macvtap is a link of its own, so no plugin may create that link before. */
function* problemsOfMacvtapOrder(plugins: readonly ChainPlugin[]): Iterable<Problem> {
  const index = plugins.findIndex(({ type }) => type === OURS);
  if (plugins.slice(index + 1).some(({ type }) => type === OURS)) {
    yield error(`type "${OURS}" is in its chain twice; remove one of them`);
  }
  const [first] = plugins;
  if (index > 0 && first !== undefined) {
    yield error(
      `${plugins[index]?.path} has binding "macvtap" and creates the pod's link itself, but ${first.path} ("${first.type}") comes before it and creates it, too; remove that plugin`,
    );
  }
}

/** The plugins of a CNI configuration, in order: its list, or the configuration itself. */
export function pluginsOf(conf: unknown): readonly unknown[] {
  const list = get(conf, 'plugins');
  return Array.isArray(list) ? list : [conf];
}

const unread = (path: string) => `${path} is an unknown key; check the spelling`;

const byHand = (where: string) =>
  `${where}.args.cni.logicNetworkName is set by KubeVirt for each interface; ` +
  'set here, it makes Tapwire wire the wrong link, so remove it';
