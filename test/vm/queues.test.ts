import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withVm } from '../helpers/lab/scenario.ts';

const test = suite('VM and queues');

test('multi-queue tap, two queues asked for: the guest has two', async () => {
  const conf = { multiQueue: true };
  await withVm({ ifname: 'eth0', conf, vm: { cores: 2, multiQueue: true } }, async ({ nic, domain }) => {
    assert.match(domain, /<driver[^>]* queues="2"/);
    assert.is(nic['queues'], '2');
  });
});

// Libvirt could not open either of these taps as the domain asks for it.
test('single-queue tap, four queues asked for: the sidecar makes it one', async () => {
  await withVm({ ifname: 'eth0', vm: { cores: 4, multiQueue: true } }, async ({ nic, domain }) => {
    assert.not.match(domain, 'queues=');
    assert.is(nic['queues'], '1');
  });
});

test('multi-queue tap, no queues asked for: the sidecar makes it several', async () => {
  await withVm({ ifname: 'eth0', conf: { multiQueue: true } }, async ({ domain }) => {
    assert.match(domain, /<driver[^>]* queues="2"/);
  });
});

test.run();
