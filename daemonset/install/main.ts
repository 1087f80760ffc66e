/**
 * The installer: runs once, as the DaemonSet's init container or by hand, and never stays. What it has installed is taken away only when it
 * is told to: a node whose agent ends goes on.
 */
import '../node-version.ts';
import tapwire from '../../package.json' with { type: 'json' };
import { messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { install } from './install.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { uninstall } from './uninstall.ts';

process.umask(0o022); // folders have the permissions that we say, whatever our caller's mask is

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
