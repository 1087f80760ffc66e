/** Real DHCP clients in guests of a pod on a bridge like that of the host-local plugin. */
import { suite } from 'uvu';
import { testClients } from '../helpers/pod/served-clients.ts';
import { BOTH, HOST_LOCAL } from '../helpers/pod/served-network.ts';

const test = suite('guests served on a bridge like that of the host-local plugin');

testClients(test, HOST_LOCAL, BOTH);
testClients(test, HOST_LOCAL, [6]);

test.run();
