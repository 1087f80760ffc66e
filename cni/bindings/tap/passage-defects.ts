import { SERVER_IPV4, SERVER_IPV6 } from '../../../shared/guest-services.ts';
import type { Sysctls } from '../../../shared/netns/part.ts';
import type { Address } from '../../../shared/rtnetlink/address.ts';
import type { RuleSet } from '../../plan/rule-set.ts';
import { findNarrow } from '../widen.ts';
import type { End, Ends } from './ends.ts';
import { DHCPV4 } from './service-rules.ts';

/** What CHECK reads of a netns only if the tap serves a guest. */
export interface NetnsFacts {
  readonly addresses: readonly Address[];
  readonly sysctls: Sysctls;
}

const REMEDY = 'restart the VM, whose ADD adds what is missing';

/**
 * Describes what is missing of the passage that ADD recorded. Empty for a pod whose ADD arranged
 * none. Pure.
 */
export function passageDefects(
  { pod, tap, silence, floor }: Ends,
  netns: NetnsFacts | null,
): readonly string[] {
  if (tap === null || tap.record === null) return [];
  const { serves, guard } = tap.record.passage;
  if (!serves && guard === 'off') return [];
  const whose = guard === 'off' ? 'guest services' : 'the spoof guard';
  return [
    ...ruleDefects(tap, whose),
    ...(serves && pod !== null ? ruleDefects(pod, 'isolation from foreign servers') : []),
    ...(silence.refusal === null && floor.counts === null
      ? [`the nftables table of "${tap.link.ifname}" in family netdev is gone or changed; ${REMEDY}`]
      : []),
    ...(serves && netns !== null ? serviceDefects(tap, netns) : []),
  ];
}

function ruleDefects({ link, rules }: End & { readonly rules: RuleSet }, whose: string): readonly string[] {
  if (rules.digest !== null) return [];
  const state = rules.filters === 0 ? 'gone' : 'changed';
  return [`the filters of ${whose} on "${link.ifname}" are ${state}; ${REMEDY}`];
}

function serviceDefects({ link, record }: End, { addresses, sysctls }: NetnsFacts): readonly string[] {
  const own = addresses.filter(({ ifindex }) => ifindex === link.ifindex).map(({ local }) => local);
  const group = link.tun?.group ?? null;
  const wanted = [SERVER_IPV4, ...(record?.passage.ipv6 ? [SERVER_IPV6] : [])];
  return [
    ...wanted
      .filter((address) => !own.includes(address))
      .map((address) => `"${link.ifname}" has lost ${address}, at which the guest is served; ${REMEDY}`),
    ...findNarrow({ firstPort: DHCPV4.server, groups: group === null ? null : [group] }, sysctls),
  ];
}
