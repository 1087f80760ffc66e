import { suite } from 'uvu';
import { hashedPodIfname } from '../../shared/kubevirt/names.ts';
import { withVm } from '../helpers/lab/scenario.ts';

const test = suite('VM on a macvlan');

// Without allmulti a macvlan drops neighbour solicitations for the guest's address, and ping6 loses
// packets.
test('a guest on a macvlan in bridge mode gets its addresses from outside, and multicast reaches it', async () => {
  await withVm({ ifname: hashedPodIfname('lan'), kind: 'macvlan', vm: { network: 'lan' } });
});

test.run();
