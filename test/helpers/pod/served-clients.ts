/** Tests of each client on one network: one for each thing that a guest is told. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Client } from './clients/client.ts';
import { DHCLIENT } from './clients/dhclient.ts';
import { DHCPCD } from './clients/dhcpcd.ts';
import { NETWORK_MANAGER } from './clients/network-manager.ts';
import { NETWORKD } from './clients/networkd.ts';
import { type Configured, wantedOf } from './clients/seen.ts';
import { UDHCPC } from './clients/udhcpc.ts';
import { type Outcome, outcomeOf, type Wanted, withClient, withServedGuest } from './served-guest.ts';
import type { Family, NetworkedPod, PodNetwork } from './served-network.ts';
import { HOSTNAME, NAMESERVERS, SEARCH_DOMAINS } from './serving.ts';

export const CLIENTS = [NETWORKD, NETWORK_MANAGER, DHCLIENT, DHCPCD, UDHCPC] as const;

/** What a client makes of the same answers, where that differs. */
const DIFFERS: Readonly<Record<string, (wanted: Wanted, pod: NetworkedPod) => Wanted>> = {
  // By default, it adds a route to each name server.
  [NETWORKD.name]: ({ configured, told }, { families, network: { ipv4, plugin } }) => {
    const toServer = `${NAMESERVERS[0]} via ${ipv4.gateway}`;
    const toGateway = plugin === 'Calico' ? [] : [`${ipv4.gateway} on link`];
    const routes4 = families.includes(4) ? [...configured.routes4, toServer, ...toGateway].toSorted() : [];
    return { configured: { ...configured, routes4 }, told };
  },
  // Its script in Debian takes no routes, and the gateway with a flag that it is on link.
  [UDHCPC.name]: ({ configured, told }, { families }) => ({
    configured: { ...configured, routes4: configured.routes4.filter((route) => route.startsWith('default')) },
    told: families.includes(4) ? { ...told, nameservers: [NAMESERVERS[0]] } : {},
  }),
  [DHCPCD.name]: ({ configured, told }) => ({
    configured,
    told: 'hostname' in told ? { ...told, hostname: `${HOSTNAME}.${SEARCH_DOMAINS[0]}` } : told,
  }),
};

export function wantedBy({ name, hasDhcpv6 }: Client, pod: NetworkedPod): Wanted {
  const all = wantedOf(pod);
  const configured: Configured = { ...all, addresses6: hasDhcpv6 ? all.addresses6 : [] };
  const { families, network } = pod;
  const resolver = {
    nameservers: NAMESERVERS.filter((_, i) => families.includes(i === 0 ? 4 : 6)),
    searchDomains: SEARCH_DOMAINS,
  };
  // Neither DHCPv6 nor a router advertisement has a hostname.
  const told = families.includes(4) ? { ...resolver, mtu: network.mtu, hostname: HOSTNAME } : resolver;
  const differ = DIFFERS[name.split(' ')[0] ?? ''] ?? ((wanted: Wanted) => wanted);
  return differ({ configured, told }, pod);
}

/** What a test compares. */
type Aspect = readonly [what: string, of: (state: Wanted) => unknown];

const ASPECTS: Readonly<Record<Family | 'each', readonly Aspect[]>> = {
  4: [
    ['the IPv4 address and its prefix', ({ configured }) => configured.addresses4],
    ['the IPv4 routes', ({ configured }) => configured.routes4],
    ['the MTU', ({ told }) => told.mtu],
    ['the hostname', ({ told }) => told.hostname],
  ],
  6: [
    ['the IPv6 address', ({ configured }) => configured.addresses6],
    ['the IPv6 routes', ({ configured }) => configured.routes6],
    ['the MTU of IPv6', ({ configured }) => configured.mtu6],
  ],
  each: [
    ['the name servers', ({ told }) => told.nameservers],
    ['the search domains', ({ told }) => told.searchDomains],
  ],
};

/**
 * Registers the tests of all clients on a network with these families. Their guests run at once,
 * because they wait for most of their time.
 */
export function testClients(test: Test, network: PodNetwork, families: readonly Family[]): void {
  const kind = families.map((family) => `IPv${family}`).join(' and ');
  const runs = CLIENTS.map((client) => ({ client, result: once(() => run(network, families, client)) }));
  const startAll = () => {
    for (const { result } of runs) result().catch(() => {}); // A test reports it.
  };
  for (const { client, result } of runs) {
    const named = (what: string, check: (outcome: Outcome, want: Wanted) => void) =>
      test(`${network.plugin}, ${kind}: ${client.name} ${what}`, async () => {
        startAll();
        const { outcome, want } = await result();
        check(outcome, want);
      });
    for (const [what, of] of [...families.flatMap((family) => ASPECTS[family]), ...ASPECTS.each])
      named(`gets ${what} of the pod`, (outcome, want) => assert.equal(of(outcome), of(want)));
    named('reaches a host behind the gateway, and is reached, by ping and TCP', ({ unreachable, sent }) => {
      assert.equal(unreachable, []);
      assert.ok(sent > 0);
    });
    named('asks only its pod', ({ leaked, foreign }) => assert.equal([leaked, foreign], [[], []]));
  }
}

const run = (network: PodNetwork, families: readonly Family[], client: Client) =>
  withServedGuest(network, families, (served) =>
    withClient(served, client, async (running) => {
      const want = wantedBy(client, served.pod);
      return { want, outcome: await outcomeOf(served, running, want) };
    }),
  );

/** Calls `make` when it is first called, and returns its result each time. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
