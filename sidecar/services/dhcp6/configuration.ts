import { encodeDomain } from '../domain-name.ts';
import type { GuestNetwork } from '../guest-network.ts';
import { ipv6ServersOf } from '../ipv6-servers.ts';
import { encodeOption, type NewOption, OPTION } from './options.ts';

/** The only form of an NTP server that is sent: its address (RFC 5908 §4.1). */
const NTP_ADDRESS = 1;

/**
 * Returns what a client learns besides addresses, most important first. A client that says what it
 * wants gets only that; others get DNS servers and search domains.
 *
 * @param requested codes of options; null if the client does not say
 */
export function configurationOf(network: GuestNetwork, requested: ReadonlySet<number> | null): NewOption[] {
  const wanted = requested ?? new Set<number>([OPTION.dnsServers, OPTION.searchList]);
  const options = [
    { code: OPTION.dnsServers, items: ipv6ServersOf(network.nameservers) },
    { code: OPTION.searchList, items: network.searchDomains.flatMap((name) => encodeDomain(name) ?? []) },
    // RFC 5908 allows only one server in an option.
    ...ipv6ServersOf(network.options.ntpServers).map((server) => ({
      code: OPTION.ntpServer,
      items: [encodeOption(NTP_ADDRESS, [server])],
    })),
  ];
  return options.filter(({ code }) => wanted.has(code));
}
