/** Real DHCP clients in guests of a pod on a network like that of Calico. */
import { suite } from 'uvu';
import { testClients } from '../helpers/pod/served-clients.ts';
import { BOTH, CALICO } from '../helpers/pod/served-network.ts';

const test = suite('guests served on a network like that of Calico');

testClients(test, CALICO, BOTH);
testClients(test, CALICO, [6]);

test.run();
