/**
 * Ends the demo on a signal, or when nothing reads its output any more. Must be imported first, so
 * that no moment is left in which a signal skips the clean-up of another module.
 */
import { constants } from 'node:os';
import { ENDING_SIGNALS, isCleaning } from '../test/helpers/lab/interruption.ts';

for (const signal of ENDING_SIGNALS) {
  process.on(signal, () => {
    if (!isCleaning()) process.exit(128 + constants.signals[signal]);
  });
}

process.stdout.on('error', (error) => {
  if (isCleaning()) throw error; // ends the lab like any other error
  process.exit(1);
});
