/** What a guest has made of what it was told. */
import { execa } from 'execa';
import { prefixOf } from '../../../../shared/rtnetlink/address.ts';
import type { TestNetns } from '../netns.ts';
import { FURTHER, type NetworkedPod } from '../served-network.ts';

export const NIC = 'nic0';

/** What the kernel of the guest has on its NIC. */
export interface Configured {
  /** `10.0.0.5/24` */
  readonly addresses4: readonly string[];
  /** `default via 10.0.0.1` or `10.0.0.1 on link`, without those of the addresses. */
  readonly routes4: readonly string[];
  readonly addresses6: readonly string[];
  readonly routes6: readonly string[];
  /** MTU in bytes of IPv6 packets, which router advertisements tell. */
  readonly mtu6: number;
}

/** What programs of the guest use besides. */
export interface Told {
  /** MTU in bytes of the NIC, or of IPv4 packets. */
  readonly mtu: number;
  readonly nameservers: readonly string[];
  readonly searchDomains: readonly string[];
  readonly hostname: string;
}

interface Route {
  readonly dst: string;
  readonly gateway?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}
interface Address {
  readonly local?: string;
  readonly prefixlen: number;
  readonly tentative?: boolean;
}

export async function configuredOn(netns: TestNetns): Promise<Configured> {
  const [four, six, link, mtu] = await Promise.all([
    familyOn(netns, '-4'),
    familyOn(netns, '-6'),
    mtuOn(netns),
    execa('ip', ['netns', 'exec', netns.name, 'cat', `/proc/sys/net/ipv6/conf/${NIC}/mtu`]),
  ]);
  const ofRoutes = six.all.filter(({ dst }) => dst === 'default').flatMap(mtusOf);
  return {
    addresses4: four.addresses,
    routes4: four.routes,
    addresses6: six.addresses,
    routes6: six.routes,
    mtu6: Math.min(link, Number(mtu.stdout), ...ofRoutes),
  };
}

const mtusOf = ({ metrics = [] }: Route): readonly number[] => metrics.flatMap(({ mtu }) => mtu ?? []);

/**
 * Returns what a NIC has, without link-local addresses, and without the routes that the kernel or a
 * client adds for an address.
 */
async function familyOn({ ip }: TestNetns, family: '-4' | '-6') {
  const [link]: { addr_info?: Address[] }[] = JSON.parse(
    await ip(`-j ${family} addr show dev ${NIC} scope global`),
  );
  // Addresses of other scopes are objects without fields.
  const usable = (link?.addr_info ?? []).flatMap(({ local, prefixlen, tentative }) =>
    local === undefined || tentative ? [] : [{ local, prefixLength: prefixlen }],
  );
  const own = usable.flatMap((one) => [one.local, prefixOf(one)]);
  const all: Route[] = JSON.parse(await ip(`-j ${family} route show dev ${NIC}`));
  const routes = all
    .filter(({ dst }) => !own.includes(dst) && !/^(fe80:|multicast)/.test(dst))
    .map(({ dst, gateway }) => (gateway === undefined ? `${dst} on link` : `${dst} via ${gateway}`));
  return {
    addresses: usable.map(({ local, prefixLength }) => `${local}/${prefixLength}`).toSorted(),
    routes: [...new Set(routes)].toSorted(),
    all,
  };
}

/** MTU in bytes of the NIC. */
export async function mtuOn({ ip }: TestNetns): Promise<number> {
  const [{ mtu }]: [{ mtu: number }] = JSON.parse(await ip(`-j link show dev ${NIC}`));
  return mtu;
}

/** What a guest with clients of both protocols must have. */
export function wantedOf({ network, families }: NetworkedPod): Configured {
  const { ipv4, ipv6, plugin, mtu } = network;
  const [has4, has6] = [families.includes(4), families.includes(6)];
  const onLink = plugin === 'Calico' ? [`${ipv4.gateway} on link`] : [];
  return {
    addresses4: has4 ? [`${ipv4.address}/${ipv4.prefixLength}`] : [],
    routes4: has4 ? [`${FURTHER} via ${ipv4.gateway}`, ...onLink, `default via ${ipv4.gateway}`] : [],
    addresses6: has6 ? [`${ipv6.address}/128`] : [],
    routes6: has6
      ? [`default via ${ipv6.router}`, ...(ipv6.onLink === null ? [] : [`${ipv6.onLink} on link`])]
      : [],
    mtu6: mtu,
  };
}
