/** Downloads and builds the guest that the demo and the VM tests boot, unless it is there. */
import { messageOf } from '../shared/errors.ts';
import { guestImage } from '../test/helpers/lab/guest-image.ts';

try {
  await guestImage((what) => console.log(what));
} catch (error) {
  console.error(`Cannot set up Tapwire: ${messageOf(error)}`);
  process.exitCode = 1;
}
