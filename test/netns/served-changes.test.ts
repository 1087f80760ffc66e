/**
 * Real DHCP clients that ask again, and what becomes of their guests when the pod's addresses, its
 * routes or the sidecar change.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until, untilIs } from '../helpers/agent/agent-node.ts';
import { type Scene, testAtOnce } from '../helpers/at-once.ts';
import type { Client, RunningClient } from '../helpers/pod/clients/client.ts';
import { DHCLIENT } from '../helpers/pod/clients/dhclient.ts';
import { DHCPCD } from '../helpers/pod/clients/dhcpcd.ts';
import { NETWORK_MANAGER } from '../helpers/pod/clients/network-manager.ts';
import { NETWORKD, NETWORKD_MTU } from '../helpers/pod/clients/networkd.ts';
import { configuredOn } from '../helpers/pod/clients/seen.ts';
import { UDHCPC } from '../helpers/pod/clients/udhcpc.ts';
import { changeGateway, moveToOthers, sentBySidecar } from '../helpers/pod/served-changes.ts';
import { wantedBy } from '../helpers/pod/served-clients.ts';
import { failuresOf, type ServedGuest, withClient, withServedGuest } from '../helpers/pod/served-guest.ts';
import {
  BOTH,
  CALICO,
  HOST_LOCAL,
  type NetworkedPod,
  type PodNetwork,
} from '../helpers/pod/served-network.ts';

const test = suite('a served guest when something changes');

/** Waits until the guest has what the pod has. */
const becomes = (what: string, { guest }: ServedGuest, client: Client, pod: NetworkedPod): Promise<void> =>
  untilIs(what, () => configuredOn(guest.netns), wantedBy(client, pod).configured);

async function isReachable(served: ServedGuest): Promise<void> {
  assert.equal(await failuresOf(served, await configuredOn(served.guest.netns)), []);
}

type Act = (served: ServedGuest, client: Client, running: RunningClient) => Promise<void>;

/** A guest whose client has configured it. */
const withConfigured = (network: PodNetwork, client: Client, act: Act): Promise<void> =>
  withServedGuest(network, BOTH, (served) =>
    withClient(served, client, async (running) => {
      await becomes('the guest is configured', served, client, served.pod);
      await act(served, client, running);
    }),
  );

/** Waits until the sidecar has sent one more of these messages after `act`. */
async function answers(pod: NetworkedPod, message: string, act: () => Promise<void>): Promise<void> {
  const count = async () => (await sentBySidecar(pod))[message] ?? 0;
  const before = await count();
  await act();
  await until(`the sidecar has sent one more ${message}`, async () => (await count()) > before);
}

const scenes: Scene[] = [];
const scene = (title: string, network: PodNetwork, client: Client, act: Act): void =>
  void scenes.push({ title, run: () => withConfigured(network, client, act) });

// ---- the same address again

for (const [client, act, how] of [
  [NETWORKD, 'restart', 'asks for its address after a restart'],
  [NETWORKD, 'renew', 'renews its lease by its gateway'],
  [DHCLIENT, 'restart', 'asks for its address after a restart'],
  [DHCPCD, 'renew', 'rebinds its lease'],
  [UDHCPC, 'renew', 'renews its lease'],
  [NETWORK_MANAGER, 'renew', 'activates its connection again'],
] as const) {
  scene(`${client.name} ${how}, and keeps all`, CALICO, client, async (served, _, running) => {
    await answers(served.pod, 'DHCPv4 ACK', running[act]);
    await becomes('the guest has what it had', served, client, served.pod);
    await isReachable(served);
  });
}

// ---- other addresses

/** What KubeVirt's link-refresh lasts. */
const refresh = (): Promise<unknown> => sleep(100);
/** Some clients wait for seconds before they believe it, and more if the machine is busy. */
const untilNoticed = ({ guest }: ServedGuest): Promise<void> =>
  until(
    'the client gives its address up',
    async () => (await configuredOn(guest.netns)).addresses4.length === 0,
  );

for (const [network, client, how, during] of [
  [CALICO, NETWORKD, '100 ms', refresh],
  [HOST_LOCAL, NETWORKD, '100 ms', refresh],
  [CALICO, NETWORKD_MTU, 'as long as it needs to notice', untilNoticed],
  [HOST_LOCAL, NETWORK_MANAGER, 'as long as it needs to notice', untilNoticed],
  [CALICO, DHCPCD, 'as long as it needs to notice', untilNoticed],
] as const) {
  scene(
    `${network.plugin}: ${client.name} takes the addresses of another pod after a loss of carrier, for ${how}`,
    network,
    client,
    async (served) => {
      const pod = await moveToOthers(served.pod);
      await served.guest.withoutCarrier(() => during(served));
      await becomes('the guest has the new addresses', served, client, pod);
      await isReachable(served);
    },
  );
}

for (const [client, how] of [
  [UDHCPC, 'renew'],
  [DHCPCD, 'renew'],
  [DHCLIENT, 'restart'],
] as const) {
  scene(
    `${client.name} gets a NAK for its former address, and takes those of another pod`,
    CALICO,
    client,
    async (served, _, running) => {
      const pod = await moveToOthers(served.pod);
      await answers(pod, 'DHCPv4 NAK', running[how]);
      const { addresses4, addresses6 } = wantedBy(client, pod).configured;
      await until('the guest has the new addresses', async () => {
        const now = await configuredOn(served.guest.netns);
        // Clients of DHCPv6 keep the former address until its lifetime ends.
        return (
          `${now.addresses4}` === `${addresses4}` &&
          addresses6.every((address) => now.addresses6.includes(address))
        );
      });
    },
  );
}

// ---- another gateway

for (const network of [CALICO, HOST_LOCAL])
  scene(
    `${network.plugin}: a guest takes another router at once, and another IPv4 gateway when it asks again`,
    network,
    NETWORKD,
    async (served, client) => {
      const pod = await changeGateway(served.pod);
      const want = wantedBy(client, pod).configured;
      await untilIs(
        'the guest has only the new router',
        async () => (await configuredOn(served.guest.netns)).routes6,
        want.routes6,
      );
      await served.guest.withoutCarrier(refresh);
      await becomes('the guest has the new gateway', served, client, pod);
      await isReachable(served);
    },
  );

// ---- another sidecar, and a tap that nobody holds for a while

scenes.push({
  title: 'a guest keeps all while its sidecar is dead, and gets the same from the next one',
  run: () =>
    withServedGuest(HOST_LOCAL, BOTH, (served) =>
      served.guest.plugInto(served.pod.pod, async () => {
        const running = await served.serve(async (sidecar) => {
          const started = await DHCPCD.start(served.system);
          await becomes('the guest is configured', served, DHCPCD, served.pod);
          sidecar.kill('SIGKILL');
          await sidecar.ended();
          return started;
        });
        await isReachable(served);
        await served.serve(async () => {
          await answers(served.pod, 'DHCPv4 ACK', running.renew);
          await becomes('the guest has what it had', served, DHCPCD, served.pod);
          const want = wantedBy(DHCPCD, served.pod).told;
          await untilIs('the guest is told what it was told', running.told, want);
          await isReachable(served);
        }, true);
      }),
    ),
});

scenes.push({
  title: 'a guest whose VM opens the tap again is answered as before',
  run: () =>
    withServedGuest(CALICO, BOTH, (served) =>
      served.serve(async () => {
        const { guest, pod, system } = served;
        const running = await guest.plugInto(pod.pod, async () => {
          const started = await UDHCPC.start(system);
          await becomes('the guest is configured', served, UDHCPC, pod);
          return started;
        });
        for (let round = 0; round < 2; round++) {
          await guest.plugInto(pod.pod, async () => {
            await answers(pod, 'DHCPv4 ACK', running.renew);
            await becomes('the guest has what it had', served, UDHCPC, pod);
            await isReachable(served);
          });
        }
      }),
    ),
});

testAtOnce(test, scenes);

test.run();
