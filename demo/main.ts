/** `npm run demo`: runs a real VM on a tap of Tapwire on this machine, from ADD to DEL. */
import { parseArgs } from 'node:util';
import { messageOf } from '../shared/errors.ts';
import { withLab } from '../test/helpers/lab/lab.ts';
import { describeKept, joinConsole, takeDown } from './kept.ts';
import { paint, startProgress, timeTable } from './progress.ts';
import { checkHost, takeTour } from './tour.ts';

async function demo(keep: boolean): Promise<void> {
  console.log(`${paint('bold', 'Tapwire demo')}: one VM on the primary network of a pod\n`);
  const progress = startProgress();
  await progress.step('check the requirements of the demo', checkHost);
  const { place, outcome } = await withLab(
    async (lab) => ({ place: lab, outcome: await takeTour(lab, progress, keep) }),
    {
      keep,
    },
  );
  console.log(`\n${timeTable(progress.times())}\n`);
  if (keep) console.log(`The VM and the network keep running:\n\n${describeKept(place)}\n`);
  const { address4, address6 } = outcome;
  const got = `the guest got ${address4} and ${address6} from the outside network and reached both gateways`;
  console.log(paint('green', `Tapwire works here: ${got}${keep ? '' : '; the demo left nothing behind'}.`));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      console: { type: 'string' },
      down: { type: 'string' },
    },
  });
  if (values.down !== undefined) await takeDown(values.down);
  else if (values.console !== undefined) await joinConsole(values.console);
  else await demo(values.keep);
}

try {
  await main();
} catch (error) {
  console.error(`\nTapwire demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
}
