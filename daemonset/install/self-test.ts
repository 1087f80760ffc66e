import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { BindingError } from '../../shared/errors.ts';
import { SHIM } from './inventory.ts';

/**
 * Timeout in ms: for the first start of the fallback on a slow disk, after the shim waited 2 s for
 * a silent agent.
 */
const RUN_TIMEOUT = 60_000;

/** The version that a plugin prints if run without a command. @throws {BindingError} IO_FAILURE */
export function versionOf(directory: string): string {
  // Node.js, like execvp(3), would have a shell run a program that the kernel cannot run.
  if (machineOf(`${directory}/${SHIM}`) !== machineOf('/proc/self/exe')) {
    throw failure(directory, "it was built for another architecture than this node's");
  }
  const { stderr } = run(directory, {});
  const version = /^CNI plugin tapwire v(\S+):/.exec(stderr)?.[1];
  if (version === undefined)
    throw failure(directory, `want its version on stderr, got ${JSON.stringify(stderr)}`);
  return version;
}

/**
 * Runs VERSION by the plugin in a directory: the agent serves it if there is one, else the
 * fallback.
 *
 * @throws {BindingError} IO_FAILURE
 */
export function testPlugin(directory: string): void {
  const { status, stdout, stderr } = run(directory, { CNI_COMMAND: 'VERSION' });
  if (status !== 0 || !stdout.includes('"supportedVersions"')) {
    throw failure(directory, `VERSION exited with ${status}: ${JSON.stringify(stdout + stderr)}`);
  }
}

/** The architecture of a program: e_machine of its ELF header, elf(5). */
function machineOf(path: string): number {
  const header = Buffer.alloc(20);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, header);
  } finally {
    closeSync(fd);
  }
  return header.readUInt16LE(18);
}

function run(directory: string, env: Readonly<Record<string, string>>) {
  const { error, status, signal, stdout, stderr } = spawnSync(`${directory}/${SHIM}`, [], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_TIMEOUT,
  });
  if (error !== undefined) throw failure(directory, reasonOf(error), error);
  return { status: status ?? signal, stdout, stderr };
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EACCES')
    return 'the file system is mounted noexec, or a security policy forbids it (EACCES)';
  return error.message;
}

function failure(directory: string, reason: string, cause?: Error): BindingError {
  const options = cause === undefined ? {} : { cause };
  return new BindingError('IO_FAILURE', `Cannot run "${directory}/${SHIM}": ${reason}`, options);
}
