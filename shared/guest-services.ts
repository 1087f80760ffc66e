/** What the CNI plugin, the sidecar and the agent must agree on of the services for the guest. */

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
/**
 * Name of a socket in the pod's netns that only one sidecar can have, and loses when it ends. The
 * agent connects to it to read what the services count.
 */
export const TURN_SOCKET = '\0tapwire-guest-services';
