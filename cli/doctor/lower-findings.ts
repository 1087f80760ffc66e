import type { Lower } from '../../cni/kernel/lower-device.ts';
import type { LowerDevice, MacvtapLowers } from '../../cni/policy/macvtap-policy.ts';
import { fullResourceName } from '../../shared/kubelet/device-id.ts';
import { ARPHRD_ETHER, IFF_UP, type Link } from '../../shared/rtnetlink/link.ts';
import { type Diagnosis, error, ok, warning } from './diagnosis.ts';

/** An entry of the node policy file, with the name that messages use for it. */
interface Entry extends LowerDevice {
  readonly name: string;
}

/** Judges the devices on which macvtaps are created: one finding for each. Pure. */
export function lowerFindings(
  { resources, masters }: MacvtapLowers,
  lowers: ReadonlyMap<string, Lower | null>,
): readonly Diagnosis[] {
  const entries: readonly Entry[] = [
    ...resources.map((resource) => ({ ...resource, name: fullResourceName(resource.name) })),
    ...masters.map((master) => ({ ...master, name: '$.macvtap.masters' })),
  ];
  return [...lowers].map(([lowerDevice, lower]) =>
    lowerFinding(
      lowerDevice,
      lower,
      entries.filter((entry) => entry.lowerDevice === lowerDevice),
    ),
  );
}

function lowerFinding(lowerDevice: string, lower: Lower | null, entries: readonly Entry[]): Diagnosis {
  const what = `lower device ${lowerDevice}`;
  const names = entries.map(({ name }) => name).join(', ');
  const CORRECT = 'correct lowerDevice in the node policy file';
  if (lower === null) return error(what, `is missing, for ${names}`, `create it, or ${CORRECT}`);
  const { link, use } = lower;
  if (link.type !== ARPHRD_ETHER) return error(what, `does not carry Ethernet frames, for ${names}`, CORRECT);
  if (use !== null && entries.some(({ mode }) => mode === 'passthru')) {
    const found = `${use}, but in mode "passthru" a VM takes all of it, for ${names}`;
    return error(what, found, 'use mode "bridge", or another device');
  }
  if (!isUp(link)) return error(what, `is down, for ${names}`, `set it up: ip link set ${lowerDevice} up`);
  if (!link.hasCarrier)
    return warning(what, `has no carrier, for ${names}`, 'check its cable or its other end');
  if (link.master !== null) {
    const found = `belongs to another link, for ${names}: if that is a bridge, bond or Open vSwitch, the kernel creates no macvtap`;
    return warning(what, found, 'use the other link, or a device that belongs to none');
  }
  return ok(what, `${link.kind ?? 'physical'}, up, MTU ${link.mtu}, for ${names}${consequencesOf(entries)}`);
}

const isUp = ({ flags }: Link): boolean => (flags & IFF_UP) !== 0;

/** What macvtaps change on the device itself, as long as it has one. */
function consequencesOf(entries: readonly Entry[]): string {
  const allmulticast = entries.some((entry) => entry.allmulticast);
  const promisc = entries.some((entry) => entry.promisc);
  return [
    ...(allmulticast
      ? ['; while VMs use it, it has allmulticast on, so the node receives all multicast frames']
      : []),
    ...(promisc
      ? ['; while VMs use it, it is promiscuous, so VMs and node receive all frames of its network']
      : []),
  ].join('');
}
