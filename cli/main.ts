import './node-version.ts';
import tapwire from '../package.json' with { type: 'json' };
import type { Command } from './command.ts';
import { check } from './commands/check.ts';
import { doctor } from './commands/doctor.ts';
import { inspect } from './commands/inspect.ts';
import { manifests } from './commands/manifests.ts';
import { dispatch } from './dispatch.ts';
import { newReader } from './read-input.ts';
import { writeDirectory } from './write-directory.ts';

/** All commands. Each has its own file. */
const COMMANDS: readonly Command[] = [manifests, check, inspect, doctor];

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return; // the reader closed the pipe, as `| head` does
  process.stderr.write(`Cannot write the results: ${error.message}\n`);
  process.exitCode = 2;
});

const { stdout, stderr, exitCode } = await dispatch(
  COMMANDS,
  tapwire.version,
  process.argv.slice(2),
  { read: newReader() },
  writeDirectory,
);
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = exitCode; // exit() would lose output that a pipe has not taken yet
