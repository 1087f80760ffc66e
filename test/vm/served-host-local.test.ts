import { suite } from 'uvu';
import { testServedVm } from '../helpers/lab/served-vm-tests.ts';
import { BOTH, HOST_LOCAL } from '../helpers/pod/served-network.ts';

const test = suite('a served VM on the network of a bridge with host-local');

testServedVm(test, HOST_LOCAL, BOTH);
testServedVm(test, HOST_LOCAL, [6]);

test.run();
