import { readSync, writeSync } from 'node:fs';
import { BindingError, messageOf } from '../shared/errors.ts';
import { devicesOf } from '../shared/kubelet/pod-devices.ts';
import { log, logBy } from '../shared/log.ts';
import { stderrLines } from '../shared/stderr.ts';
import { answer } from './answer.ts';
import type { CallContext } from './host.ts';
import { openKernel } from './kernel/kernel.ts';
import { openNetns, requireOtherNetns } from './kernel/open-netns.ts';
import { readNodePolicy } from './policy/node-file.ts';
import { MAX_INPUT } from './request/input.ts';

/** Reads stdin up to one byte more than is allowed, which is enough to reject it. */
function readStdin(): Buffer {
  const buffer = Buffer.alloc(MAX_INPUT + 1);
  let length = 0;
  try {
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = readSync(0, buffer, length, buffer.length - length, null);
    }
  } catch (cause) {
    throw new BindingError('IO_FAILURE', `error reading from stdin: ${messageOf(cause)}`, { cause });
  }
  return buffer.subarray(0, length);
}

/**
 * Prints the one JSON document that stdout may contain (CNI SPEC §2). If that fails, the exit
 * status says so.
 */
function print(stdout: string): void {
  const bytes = Buffer.from(stdout);
  try {
    for (let written = 0; written < bytes.length; ) written += writeSome(bytes, written);
  } catch (error) {
    log('error', `Cannot write the result: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}

/** Writes what fits; waits 5 ms if stdout is a full non-blocking pipe. */
function writeSome(bytes: Buffer, from: number): number {
  try {
    return writeSync(1, bytes, from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // ms
    return 0;
  }
}

/**
 * How long to wait for the netns lock, if started by hand or by an earlier version of the shim, as
 * can happen during an upgrade. kubelet gives a sandbox two minutes; the slowest call takes 1 s.
 */
const LOCK_TIMEOUT = 15_000; // ms

/**
 * How this call gets its netns. The shim passes a descriptor that it has locked as the argument, or
 * -1 if it found nothing to lock. Waiting for a lock is the shim's task: this process holds the
 * only turn of the node.
 */
function netnsAccess(argument: string | undefined): Pick<CallContext, 'openNetns' | 'lockTimeout'> {
  if (argument === undefined) return { openNetns, lockTimeout: LOCK_TIMEOUT };
  const passed = Number(argument);
  if (passed < 0) return { openNetns, lockTimeout: 0 };
  return { openNetns: (path) => requireOtherNetns(path, passed), lockTimeout: 0 };
}

logBy(stderrLines());
const given = await answer(process.env, readStdin, {
  ...netnsAccess(process.argv[2]),
  openKernel,
  // Only the shim in tests passes this variable on.
  readNodePolicy: () => readNodePolicy(process.env['TAPWIRE_NODE_FILE']),
  devicesOf,
  deviceDirectory: '/dev',
});
for (const { level, message, fields } of given.log) log(level, message, fields);
if (given.code !== 0) process.exitCode = 1;
print(given.stdout);
