import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RunningVm, withVm } from '../helpers/lab/scenario.ts';

const test = suite('VM and queues');

/** Compares the queues that the domain requests from libvirt with those of the guest. */
function queuesOf({ domain, nic }: RunningVm): { domain: string | undefined; guest: string | undefined } {
  const [, queues] = /<driver[^>]* queues="(\d+)"/.exec(domain) ?? [];
  console.log(`@queues domain=${queues ?? 'none'} guest=${nic['queues']}`);
  return { domain: queues, guest: nic['queues'] };
}

// libvirt opens a tap with as many queues as the domain has. The kernel allows that only for a tap
// of the same kind.
for (const queues of [1, 2, 4]) {
  const vm = { cores: queues, multiQueue: true };

  test(`a guest on a single-queue tap with ${queues} requested has one queue`, async () => {
    await withVm({ ifname: 'eth0', vm }, async (running) => {
      assert.equal(queuesOf(running), { domain: undefined, guest: '1' });
    });
  });

  test(`a guest on a multi-queue tap with ${queues} requested has ${queues} queues`, async () => {
    await withVm({ ifname: 'eth0', conf: { multiQueue: true }, vm }, async (running) => {
      // A guest with one vCPU uses one of two.
      assert.equal(queuesOf(running), { domain: `${Math.max(queues, 2)}`, guest: `${queues}` });
    });
  });
}

test('a guest on a multi-queue tap with none requested has one of two queues', async () => {
  await withVm({ ifname: 'eth0', conf: { multiQueue: true } }, async (running) => {
    assert.equal(queuesOf(running), { domain: '2', guest: '1' });
  });
});

test.run();
