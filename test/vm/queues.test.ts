import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RunningVm, withVm } from '../helpers/lab/scenario.ts';

const test = suite('VM and queues');

/** What the domain asks libvirt for and what the guest has. */
function queuesOf({ domain, nic }: RunningVm): { domain: string | undefined; guest: string | undefined } {
  const [, queues] = /<driver[^>]* queues="(\d+)"/.exec(domain) ?? [];
  console.log(`@queues domain=${queues ?? 'none'} guest=${nic['queues']}`);
  return { domain: queues, guest: nic['queues'] };
}

// libvirt opens a tap with as many queues as the domain has, and the kernel takes that only of a tap of the same kind.
for (const queues of [1, 2, 4]) {
  const vm = { cores: queues, multiQueue: true };

  test(`single-queue tap, ${queues} asked for: the guest has one`, async () => {
    await withVm({ ifname: 'eth0', vm }, async (running) => {
      assert.equal(queuesOf(running), { domain: undefined, guest: '1' });
    });
  });

  test(`multi-queue tap, ${queues} asked for: the guest has ${queues}`, async () => {
    await withVm({ ifname: 'eth0', conf: { multiQueue: true }, vm }, async (running) => {
      // With one vCPU it uses one of two.
      assert.equal(queuesOf(running), { domain: `${Math.max(queues, 2)}`, guest: `${queues}` });
    });
  });
}

test('multi-queue tap, none asked for: the guest has one of two', async () => {
  await withVm({ ifname: 'eth0', conf: { multiQueue: true } }, async (running) => {
    assert.equal(queuesOf(running), { domain: '2', guest: '1' });
  });
});

test.run();
