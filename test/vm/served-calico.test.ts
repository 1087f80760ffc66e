import { suite } from 'uvu';
import { testServedVm } from '../helpers/lab/served-vm-tests.ts';
import { BOTH, CALICO } from '../helpers/pod/served-network.ts';

const test = suite('a served VM on the network of Calico');

testServedVm(test, CALICO, BOTH);
testServedVm(test, CALICO, [6]);

test.run();
