import { readSync, writeSync } from 'node:fs';
import { BindingError, messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { answer } from './answer.ts';
import { openKernel } from './kernel/kernel.ts';
import { openNetns } from './kernel/open-netns.ts';
import { readNodePolicy } from './policy/node-file.ts';
import { MAX_INPUT } from './request/input.ts';

/** Reads no more than it takes to know that there is too much. */
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

/** stdout holds one JSON document and nothing else, whatever happens (CNI SPEC §2). Where it cannot be written, the exit status says so. */
function print(stdout: string): void {
  const bytes = Buffer.from(stdout);
  try {
    for (let written = 0; written < bytes.length; ) written += writeSome(bytes, written);
  } catch (error) {
    log('error', `Cannot write the result: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}

/** Waits for a caller that gave us a pipe which does not block and is full. */
function writeSome(bytes: Buffer, from: number): number {
  try {
    return writeSync(1, bytes, from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // ms
    return 0;
  }
}

/** Well below the two minutes that kubelet gives a sandbox; the slowest call takes a second on a node that is busy. */
const LOCK_TIMEOUT = 15_000; // ms

const given = await answer(process.env, readStdin, {
  openNetns,
  openKernel,
  lockTimeout: LOCK_TIMEOUT,
  // Only the shim that tests run lets this variable through.
  readNodePolicy: () => readNodePolicy(process.env['TAPWIRE_NODE_FILE']),
});
for (const { level, message, fields } of given.log) log(level, message, fields);
if (given.code !== 0) process.exitCode = 1;
print(given.stdout);
