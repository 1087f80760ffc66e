/** Addresses of the services for the guest, which the CNI plugin and the sidecar must agree on. */

/** The server of DHCPv4, on each tap with guest services. Link-local, so that no network has it. */
export const SERVER_IPV4 = '169.254.75.10';
/** The server of DHCPv6 on the same taps. Equal on all nodes, so that a migrated guest finds it. */
export const SERVER_IPV6 = 'fe80::75:10';
/**
 * Identifier of the echo requests that become router advertisements, and that router solicitations
 * get when they become echo requests. In a router advertisement, these bytes are the hop limit (64)
 * and the flags: managed addresses, and other configuration.
 */
export const ADVERTISEMENT_ID = 0x40c0;
