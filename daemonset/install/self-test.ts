import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { BindingError } from '../../shared/errors.ts';
import { SHIM } from './inventory.ts';

/** A first start of the runtime on a slow disk; the shim waits 2 s for an agent that does not answer. */
const PATIENCE = 60_000; // ms

/** The version that a plugin says of itself, when it is run without a command. @throws {BindingError} IO_FAILURE */
export function versionOf(folder: string): string {
  // What the kernel cannot run Node.js would have a shell run, as execvp(3) does.
  if (machineOf(`${folder}/${SHIM}`) !== machineOf('/proc/self/exe')) {
    throw failure(folder, 'it was built for another processor than this node has');
  }
  const { stderr } = run(folder, {});
  const version = /^CNI plugin tapwire v(\S+):/.exec(stderr)?.[1];
  if (version === undefined)
    throw failure(folder, `it does not say its version, but ${JSON.stringify(stderr)}`);
  return version;
}

/** Has the plugin in that folder answer VERSION: by the agent, where there is one, else by its runtime. @throws {BindingError} IO_FAILURE */
export function testPlugin(folder: string): void {
  const { status, stdout, stderr } = run(folder, { CNI_COMMAND: 'VERSION' });
  if (status !== 0 || !stdout.includes('"supportedVersions"')) {
    throw failure(folder, `VERSION ended with ${status}: ${JSON.stringify(stdout + stderr)}`);
  }
}

/** The processor that a program was built for: e_machine of its ELF header, elf(5). */
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

function run(folder: string, env: Readonly<Record<string, string>>) {
  const { error, status, signal, stdout, stderr } = spawnSync(`${folder}/${SHIM}`, [], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE,
  });
  if (error !== undefined) throw failure(folder, reasonOf(error), error);
  return { status: status ?? signal, stdout, stderr };
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EACCES')
    return 'the file system does not let programs be run, or somebody forbids it (EACCES)';
  return error.message;
}

function failure(folder: string, reason: string, cause?: Error): BindingError {
  const options = cause === undefined ? {} : { cause };
  return new BindingError('IO_FAILURE', `Cannot run "${folder}/${SHIM}": ${reason}`, options);
}
