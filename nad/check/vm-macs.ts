import { get } from '../../shared/json.ts';
import { type ChainPlugin, OURS } from './chain.ts';
import { advice, doubt, error, type Finding, findingsAt, type Problem } from './finding.ts';
import type { NadSeen } from './nad-config.ts';
import { findNad, parseReference, wiredByBinding, wiringOfReference } from './reference.ts';
import { isPrimary, type Vm } from './vm.ts';
import type { Cluster } from './vm-bindings.ts';

/**
 * Plugins that give the link a MAC of their own. Some of their links drop frames to other MACs;
 * a veth or a dummy passes all.
 *
 * Source: containernetworking/plugins 1.9.1
 */
const IGNORING: ReadonlyMap<string, { readonly dropsOthers: boolean; readonly remedy: string }> = new Map([
  ['vlan', { dropsOthers: true, remedy: 'put "tuning" after it, or use "macvlan" on the VLAN link' }],
  ['ipvlan', { dropsOthers: true, remedy: 'use "macvlan"' }],
  ['host-device', { dropsOthers: true, remedy: 'put "tuning" after it' }],
  ['ptp', { dropsOthers: false, remedy: 'put "tuning" after it' }],
  ['dummy', { dropsOthers: false, remedy: 'put "tuning" after it' }],
]);

/**
 * Plugins whose link drops frames to other MACs, and that read the MAC from CNI_ARGS, too. Multus
 * sends it there without any capability, as a deprecated way (recorded with Multus 4.3 and macvlan
 * 1.9.1). macvlan reads it since CNI plugins 0.9.0.
 */
const READING_ARGS: ReadonlySet<string> = new Set(['macvlan', 'sriov']);

/**
 * Plugins whose link has a new MAC in each pod if the VM asks for none, with what that costs.
 *
 * Source: containernetworking/plugins 1.9.1
 */
const RANDOM: ReadonlyMap<string, string> = new Map([
  ['macvlan', 'a new MAC and a new DHCP lease at every restart, and no frames after a live migration'],
  ['bridge', 'a new MAC and a new DHCP lease at every restart'],
]);

/**
 * Checks that an interface on a tap asks for a MAC if each pod link of its secondary network has
 * another one, and that the plugins of the network set the MAC: the pod link otherwise has another
 * MAC than the guest.
 */
export function checkMacs(vm: Vm, { registrations, nads }: Cluster): readonly Finding[] {
  const networks = new Map(vm.networks.map((network) => [network.name, network]));
  return vm.interfaces.flatMap((one, i) => {
    const network = networks.get(one.name);
    const mac = one.fields['macAddress'] ?? '';
    if (one.binding === null || !network?.multus || isPrimary(network)) return [];
    const { networkName } = network.multus;
    const byNetwork = wiringOfReference(networkName, vm.namespace, nads);
    const byBinding = wiredByBinding(one, registrations.get(one.binding), vm, nads);
    const wiring = byBinding?.wiring ?? byNetwork;
    const nad = findNad(parseReference(networkName), vm.namespace, nads);
    if (wiring === null || wiring === 'passt' || nad === undefined) return [];
    const path = `.domain.devices.interfaces[${i}]`;
    const subject = `${vm.title}: interface "${one.name}"`;
    if (typeof mac !== 'string') return []; // another check reports it
    if (mac === '') return findingsAt(vm.at(path), subject, problemsWithoutMac(nad));
    return findingsAt(vm.at(`${path}.macAddress`), subject, problemsOf(networkName, nad));
  });
}

function problemsWithoutMac({ plugins }: NadSeen): readonly Problem[] {
  const cost = RANDOM.get(plugins[0]?.type ?? '');
  if (cost === undefined) return [];
  return [advice(`without macAddress, the guest has ${cost}; set macAddress, unless kubemacpool does`)];
}

function problemsOf(networkName: string, { plugins }: NadSeen): readonly Problem[] {
  const [first] = plugins;
  if (first === undefined) return [];
  const subject = `"${first.type}" of network "${networkName}"`;
  const ours = plugins.findIndex(({ type }) => type === OURS);
  const before = ours === -1 ? plugins : plugins.slice(0, ours);
  const ignoring = IGNORING.get(first.type);
  if (ignoring === undefined) {
    if (!READING_ARGS.has(first.type) || before.some(hasMacCapability)) return [];
    const reason = `${subject} gets macAddress only in CNI_ARGS, a way that CNI has deprecated`;
    return [advice(`${reason}; add "capabilities": {"mac": true} to this plugin`)];
  }
  const isTuned = first.type !== 'ipvlan' && before.some(({ type }) => type === 'tuning');
  if (isTuned) return [];
  const remedy = `remove macAddress, or ${ignoring.remedy}`;
  if (ours !== -1) {
    return [
      error(
        `${subject} ignores macAddress, so Tapwire rejects its link and the pod does not start; ${remedy}`,
      ),
    ];
  }
  if (!ignoring.dropsOthers) return [];
  const outcome = 'its link has another MAC and may drop the frames to the guest';
  return [doubt(`${subject} ignores macAddress, so ${outcome}; ${remedy}`)];
}

const hasMacCapability = ({ conf }: ChainPlugin): boolean => get(conf, 'capabilities', 'mac') === true;
