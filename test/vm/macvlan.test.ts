import { suite } from 'uvu';
import { hashedPodIfname } from '../../shared/kubevirt/names.ts';
import { withVm } from '../helpers/lab/scenario.ts';

const test = suite('VM on a macvlan');

// Without allmulti a macvlan drops the neighbour solicitations for the guest's address, and ping6 loses packets.
test('macvlan in bridge mode: the guest gets its addresses from outside, multicast included', async () => {
  await withVm({ ifname: hashedPodIfname('lan'), kind: 'macvlan', vm: { network: 'lan' } });
});

test.run();
