import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import { withVm } from '../helpers/lab/scenario.ts';

const test = suite('VM on a secondary network');

test('a guest on pod<hash> next to eth0 gets its addresses from outside', async () => {
  const ifname = hashedPodIfname('blue');
  await withVm({ ifname, vm: { network: 'blue' } }, async ({ domain }) => {
    assert.match(domain, `<target dev="${secondaryTapIfname(ifname)}" managed="no">`);
  });
});

test.run();
