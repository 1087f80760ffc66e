import './quit.ts';
/** `npm run demo`: runs a real VM on a tap of Tapwire on this machine, from ADD to DEL. */
import { parseArgs } from 'node:util';
import { messageOf } from '../shared/errors.ts';
import { Interrupted } from '../test/helpers/lab/interruption.ts';
import { withLab } from '../test/helpers/lab/lab.ts';
import { describeKept, joinConsole, listKept, takeDown } from './kept.ts';
import { paint, startProgress, timeTable } from './progress.ts';
import { checkHost, takeTour } from './tour.ts';

async function demo(keep: boolean): Promise<void> {
  console.log(`${paint('bold', 'Tapwire demo')}: one VM on the primary network of a pod\n`);
  const progress = startProgress();
  await progress.step('check the requirements of the demo', checkHost);
  const { place, outcome } = await withLab(
    async (lab) => ({ place: lab, outcome: await takeTour(lab, progress, keep) }),
    { keep },
  );
  console.log(`\n${timeTable(progress.times())}\n`);
  if (keep) console.log(`The VM and the network keep running:\n\n${describeKept(place)}\n`);
  const { address4, address6 } = outcome;
  const got = `the guest got ${address4} and ${address6} from the outside network and reached both gateways`;
  console.log(paint('green', `Tapwire works here: ${got}${keep ? '' : '; the demo left nothing behind'}.`));
}

interface Options {
  readonly keep: boolean;
  readonly console?: string | undefined;
  readonly down?: string | undefined;
}

/**
 * Parses the command line. An option without its ID at the end gets an empty one, for which the
 * program lists the IDs.
 *
 * @throws {Error} for an unknown option
 */
function parseOptions(args: readonly string[]): Options {
  const isIncomplete = ['--down', '--console'].includes(args.at(-1) ?? '');
  try {
    const { values } = parseArgs({
      args: isIncomplete ? [...args, ''] : [...args],
      options: {
        keep: { type: 'boolean', default: false },
        console: { type: 'string' },
        down: { type: 'string' },
      },
    });
    return values;
  } catch (error) {
    const [problem] = messageOf(error).split(/\. |\n/);
    throw new Error(`${problem}; see "npm run demo -- --help"`, { cause: error });
  }
}

async function main(options: Options): Promise<void> {
  if (options.down === '') console.log(listKept());
  else if (options.down !== undefined) await takeDown(options.down);
  else if (options.console !== undefined) await joinConsole(options.console);
  else await demo(options.keep);
}

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (error instanceof Interrupted) {
    console.error(`${error.message}; the demo left nothing behind.`);
    process.exit(error.status);
  }
  console.error(`\nTapwire demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
}
