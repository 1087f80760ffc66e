import { isIPv6 } from 'node:net';
import { parseAddress } from '../../shared/rtnetlink/address.ts';

/**
 * Returns the bytes of the IPv6 addresses among these servers. Leaves out names, and addresses with
 * a zone, because it is an interface of the pod.
 */
export const ipv6ServersOf = (servers: readonly string[]): Buffer[] =>
  servers.filter((server) => isIPv6(server) && !server.includes('%')).map(parseAddress);
