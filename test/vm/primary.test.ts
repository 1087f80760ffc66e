import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withVm } from '../helpers/lab/scenario.ts';

const test = suite('VM on the primary network');

test('a guest on the veth eth0 gets its addresses from outside', async () => {
  await withVm({ ifname: 'eth0' }, async ({ domain }) => {
    assert.match(domain, '<target dev="tap0" managed="no">');
  });
});

test('the sidecar adds the interface if there is no domain attachment', async () => {
  await withVm({ ifname: 'eth0', vm: { attachment: 'none' } }, async ({ domain }) => {
    assert.is(domain.match(/<interface /g)?.length, 1);
    assert.match(domain, '<alias name="ua-default"');
  });
});

test.run();
