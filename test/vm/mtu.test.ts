import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withVm } from '../helpers/lab/scenario.ts';

const ETHERNET_HEADER = 14;

const test = suite('VM and MTU');

for (const mtu of [1400, 9000]) {
  test(`the guest adopts MTU ${mtu}, and a packet of that size passes whole`, async () => {
    const { frames } = await withVm({ ifname: 'eth0', mtu }, async ({ nic, runInGuest }) => {
      assert.is(nic['mtu'], `${mtu}`);
      // 20 or 40 bytes of IP header, 8 of ICMP.
      const pings = `ping -c 1 -s ${mtu - 28} 192.0.2.1 && ping -6 -c 1 -s ${mtu - 48} 2001:db8:1::1`;
      const { status, output } = await runInGuest(pings);
      console.log(output);
      assert.is(status, 0);
    });
    // Fragments would have been shorter.
    assert.is(Math.max(...frames.map(({ length }) => length)), mtu + ETHERNET_HEADER);
  });
}

test.run();
