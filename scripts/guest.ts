/** Downloads and builds the guest of the demo and the VM tests, unless it exists already. */
import { messageOf } from '../shared/errors.ts';
import { guestImage } from '../test/helpers/lab/guest-image.ts';

try {
  await guestImage((what) => console.log(what));
} catch (error) {
  console.error(`Cannot set up Tapwire: ${messageOf(error)}`);
  process.exitCode = 1;
}
