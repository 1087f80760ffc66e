/** Tests of a VM whose pod tells the guest its addresses. */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { canPing } from '../pod/guest.ts';
import { PORT, withListeners } from '../pod/listeners.ts';
import { canConnect } from '../pod/served-guest.ts';
import { FAR, type Family, type PodNetwork } from '../pod/served-network.ts';
import { NAMESERVERS, SEARCH_DOMAINS } from '../pod/serving.ts';
import type { Frame } from './capture.ts';
import { type ServedVm, withServedVm } from './served-vm.ts';
import { fieldsOf } from './verdict.ts';

/** What must not leave the pod, in the words of tcpdump. */
const SERVICES = /BOOTP\/DHCP|dhcp6|router (solicitation|advertisement)|169\.254\.75\.10/;

const leakedIn = (frames: readonly Frame[]): readonly string[] =>
  frames.map(({ text }) => text).filter((text) => SERVICES.test(text));

/** What a guest with these families says of itself when it has what the pod has. */
function wantedOf(network: PodNetwork, families: readonly Family[]) {
  const { ipv4, ipv6, mtu } = network;
  return {
    ...(families.includes(4)
      ? {
          lease4: {
            address: `${ipv4.address}/${ipv4.prefixLength}`,
            server: '169.254.75.10',
            router: ipv4.gateway,
            dns: NAMESERVERS[0],
            search: SEARCH_DOMAINS.join(),
            mtu: `${mtu}`,
          },
          ping4: { target: FAR[4], loss: '0%' },
        }
      : {}),
    ...(families.includes(6)
      ? {
          lease6: {
            address: ipv6.address,
            dns: NAMESERVERS[1],
            search: SEARCH_DOMAINS.map((domain) => `${domain}.`).join(), // as dhclient writes them
          },
          ping6: { target: FAR[6], loss: '0%' },
        }
      : {}),
    mtu: { ipv4: `${mtu}`, ipv6: `${mtu}` },
    routes: {
      gateway4: families.includes(4) ? ipv4.gateway : '',
      gateway6: families.includes(6) ? ipv6.router : '',
    },
  };
}

/** Listens on the port, and returns when it does. */
const LISTEN = `{ nc -ll -p ${PORT} -e true >/dev/null 2>&1 & } && until netstat -ltn | grep -q :${PORT}; do usleep 10000; done`;

/** Who does not reach whom. */
async function failuresOf({ pod, runInGuest }: ServedVm): Promise<readonly string[]> {
  const { network, families, far } = pod;
  const failures: string[] = [];
  const check = async (what: string, works: Promise<boolean>) => {
    if (!(await works)) failures.push(what);
  };
  const succeeds = async (command: string) => (await runInGuest(command)).status === 0;
  await check('listening', succeeds(LISTEN));
  await withListeners(far, async () => {
    for (const family of families) {
      const own = network[family === 4 ? 'ipv4' : 'ipv6'].address;
      await check(`TCP of IPv${family} to outside`, succeeds(`nc -w 5 ${FAR[family]} ${PORT} -e true`));
      await check(`ping of IPv${family} from outside`, canPing(far, own));
      await check(`TCP of IPv${family} from outside`, canConnect(far, own));
    }
  });
  return failures;
}

/** Registers the test of a VM on this network. */
export function testServedVm(test: Test, network: PodNetwork, families: readonly Family[]): void {
  const kind = families.map((family) => `IPv${family}`).join(' and ');
  test(`${kind}: a guest gets the addresses, routes, MTU and DNS of its pod, and nothing of that leaves the pod`, async () => {
    const frames = await withServedVm(network, families, async (vm) => {
      const want = wantedOf(network, families);
      const got = Object.fromEntries(Object.keys(want).map((event) => [event, fieldsOf(vm.reports, event)]));
      assert.equal(got, want);
      assert.equal(await failuresOf(vm), []);
    });
    assert.ok(frames.length > 0);
    assert.equal(leakedIn(frames), []);
  });
}
