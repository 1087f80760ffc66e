import { hash } from 'node:crypto';

/** Hex digits of the hash in KubeVirt's link names: 15 (IFNAMSIZ - 1) less the longest affix, "-nic". */
const HASH_DIGITS = 11;

/**
 * The pod link of a secondary network, `pod<hash>`.
 *
 * @param network the VMI's network name (`spec.networks[].name`), not the NAD's
 * Source: kubevirt pkg/network/namescheme/networknamescheme.go
 */
export function hashedPodIfname(network: string): string {
  return `pod${hash('sha256', network, 'hex').slice(0, HASH_DIGITS)}`;
}

/**
 * Pod links of a primary network that nothing names, best first. On a primary user-defined network, OVN-Kubernetes gives the pod
 * both, and the former is the primary one.
 */
export const PRIMARY_LINKS: readonly string[] = ['ovn-udn1', 'eth0'];

/** The tap of the primary network, whatever its pod link is called (KubeVirt >= 1.4.1). */
export const PRIMARY_TAP_IFNAME = 'tap0';

/**
 * The tap that virt-launcher looks for beside a secondary network's pod link: `pod<hash>` has `tap<hash>`, `net1` has `tap1`.
 *
 * Source: kubevirt pkg/network/link/names.go, GenerateTapDeviceName
 */
export function secondaryTapIfname(podIfname: string): string {
  return `tap${podIfname.slice(3)}`;
}

/**
 * Whether KubeVirt takes the whole pod for one with ordinal names (`net1`, `net2`, …) because this link is in it.
 *
 * Source: kubevirt pkg/network/namescheme/networknamescheme.go, PodHasOrdinalInterfaceName
 */
export function isOrdinalIfname(ifname: string): boolean {
  return /^net\d+$/.test(ifname);
}
