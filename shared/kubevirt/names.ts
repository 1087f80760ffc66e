import { hash } from 'node:crypto';

/**
 * Number of hex digits of the hash in the names of KubeVirt's links: 15 (IFNAMSIZ - 1) minus the
 * longest affix, "-nic".
 */
const HASH_DIGITS = 11;

/**
 * Returns the name of a secondary network's pod link, `pod<hash>`.
 *
 * @param network name of the network in the VMI (`spec.networks[].name`), not that of the NAD
 * Source: kubevirt pkg/network/namescheme/networknamescheme.go
 */
export function hashedPodIfname(network: string): string {
  return `pod${hash('sha256', network, 'hex').slice(0, HASH_DIGITS)}`;
}

/**
 * Names of a primary network's pod link if the VMI does not name one, preferred first. On a primary
 * user-defined network, OVN-Kubernetes creates both links, and `ovn-udn1` is the primary one.
 */
export const PRIMARY_LINKS: readonly string[] = ['ovn-udn1', 'eth0'];

/** Name of the primary network's tap, whatever the name of its pod link (KubeVirt >= 1.4.1). */
export const PRIMARY_TAP_IFNAME = 'tap0';

/**
 * Returns the name of the tap that virt-launcher expects for a secondary network's pod link:
 * `tap<hash>` for `pod<hash>`, `tap1` for `net1`.
 *
 * Source: kubevirt pkg/network/link/names.go, GenerateTapDeviceName
 */
export function secondaryTapIfname(podIfname: string): string {
  return `tap${podIfname.slice(3)}`;
}

/**
 * Whether a link of this name makes KubeVirt assume that the whole pod uses ordinal names (`net1`,
 * `net2`, …).
 *
 * Source: kubevirt pkg/network/namescheme/networknamescheme.go, PodHasOrdinalInterfaceName
 */
export function isOrdinalIfname(ifname: string): boolean {
  return /^net\d+$/.test(ifname);
}
