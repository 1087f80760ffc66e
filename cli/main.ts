import './node-version.ts';
import { readFileSync } from 'node:fs';
import tapwire from '../package.json' with { type: 'json' };
import { BindingError } from '../shared/errors.ts';
import type { Command } from './command.ts';
import { check } from './commands/check.ts';
import { doctor } from './commands/doctor.ts';
import { inspect } from './commands/inspect.ts';
import { manifests } from './commands/manifests.ts';
import { dispatch } from './dispatch.ts';
import { reasonOfFileError } from './file-error.ts';
import { writeDirectory } from './write-directory.ts';

/** All commands. Each has its own file. */
const COMMANDS: readonly Command[] = [manifests, check, inspect, doctor];

function read(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new BindingError('IO_FAILURE', `Cannot read "${path}": ${reasonOf(cause)}`, { cause });
  }
}

const reasonOf = (cause: unknown): string =>
  (cause as NodeJS.ErrnoException).code === 'EISDIR'
    ? 'it is a directory; name its files'
    : `${reasonOfFileError(cause)}; check the path`;

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return; // the reader closed the pipe, as `| head` does
  process.stderr.write(`Cannot write the results: ${error.message}\n`);
  process.exitCode = 2;
});

const { stdout, stderr, exitCode } = await dispatch(
  COMMANDS,
  tapwire.version,
  process.argv.slice(2),
  { read },
  writeDirectory,
);
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode; // exit() would lose output that a pipe has not taken yet
