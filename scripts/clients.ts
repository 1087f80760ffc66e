/** Downloads the DHCP clients of the tests, unless they are there already. */
import { messageOf } from '../shared/errors.ts';
import { clientFiles } from '../test/helpers/pod/clients/packages.ts';

try {
  await clientFiles((what) => console.log(what));
} catch (error) {
  console.error(`Cannot set up Tapwire: ${messageOf(error)}`);
  process.exitCode = 1;
}
