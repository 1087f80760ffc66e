/**
 * The installer: runs once, as the DaemonSet's init container or by hand. Installed files are
 * removed only by "uninstall": a node without its agent keeps working.
 */
import '../node-version.ts';
import tapwire from '../../package.json' with { type: 'json' };
import { messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { install } from './install.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { uninstall } from './uninstall.ts';

process.umask(0o022); // gives directories the permissions of mkdir() whatever the inherited mask is

async function run(options: Options): Promise<void> {
  const directory = options.binDirectory;
  if (options.command === 'install') log('info', 'Installed', { directory, ...(await install(options)) });
  else log('info', 'Uninstalled', { directory, removed: await uninstall(options) });
}

let isUnderstood = false;
try {
  const options = parseOptions(process.argv.slice(2), import.meta.dirname);
  isUnderstood = true;
  if (options === 'help') process.stdout.write(USAGE);
  else if (options === 'version') process.stdout.write(`${tapwire.version}\n`);
  else await run(options);
} catch (error) {
  log('error', messageOf(error));
  process.exitCode = isUnderstood ? 1 : 2;
}
