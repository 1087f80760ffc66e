/** `npm run demo`: a real VM on a tap that Tapwire made, on this machine, from ADD to DEL. */
import { parseArgs } from 'node:util';
import { messageOf } from '../shared/errors.ts';
import { withLab } from '../test/helpers/lab/lab.ts';
import { describeKept, joinConsole, takeDown } from './kept.ts';
import { paint, startProgress, timeTable } from './progress.ts';
import { checkHost, takeTour } from './tour.ts';

const USAGE = `Usage: npm run demo [-- option]

Boots a VM with libvirt and QEMU on a tap made by Tapwire, in network namespaces of its own, and shows what happens.
Needs root and Debian; nothing of it stays, Debian packages and this checkout's node_modules/, dist/ and .cache/ apart.

  --keep           leave the VM and the network up, and print how to look around
  --console <id>   get onto the console of a VM that was kept; Ctrl-] leaves it
  --down <id>      take down what was kept
  --help           print this`;

async function demo(keep: boolean): Promise<void> {
  console.log(`${paint('bold', 'Tapwire demo')}: one VM on the primary network of a pod\n`);
  const progress = startProgress();
  await progress.step('check what this machine has', checkHost);
  const { place, outcome } = await withLab(
    async (lab) => ({ place: lab, outcome: await takeTour(lab, progress, keep) }),
    {
      keep,
    },
  );
  console.log(`\n${timeTable(progress.times())}\n`);
  if (keep) console.log(`The VM and the network stay up:\n\n${describeKept(place)}\n`);
  const { address4, address6 } = outcome;
  const got = `the guest got ${address4} and ${address6} from outside and reached both gateways`;
  console.log(paint('green', `Tapwire works here: ${got}${keep ? '' : ', and nothing is left of it'}.`));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      console: { type: 'string' },
      down: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) console.log(USAGE);
  else if (values.down !== undefined) await takeDown(values.down);
  else if (values.console !== undefined) await joinConsole(values.console);
  else await demo(values.keep);
}

try {
  await main();
} catch (error) {
  console.error(`\nTapwire demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
}
