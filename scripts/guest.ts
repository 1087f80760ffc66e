/**
 * Downloads and builds the guest of the demo and the VM tests, unless it exists already.
 *
 * Usage: guest.ts [--download], which only downloads it
 */
import { messageOf } from '../shared/errors.ts';
import { guestDebs } from '../test/helpers/lab/guest-debs.ts';
import { guestImage } from '../test/helpers/lab/guest-image.ts';

try {
  const say = (what: string) => console.log(what);
  await (process.argv.includes('--download') ? guestDebs(say) : guestImage(say));
} catch (error) {
  console.error(`Cannot set up Tapwire: ${messageOf(error)}`);
  process.exitCode = 1;
}
