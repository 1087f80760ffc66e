import { readSync, writeSync } from 'node:fs';
import { BindingError, messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { serve } from './commands.ts';
import { MAX_INPUT } from './input.ts';
import { parseRequest } from './request.ts';
import { type ErrorResult, type Result, toErrorResult } from './result.ts';
import { DEFAULT_VERSION, SUPPORTED_VERSIONS, type Version } from './version.ts';

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

/** The version to answer in when the request itself could not be read. */
function versionOf(stdin: Buffer): Version {
  const version = /"cniVersion"\s*:\s*"([\d.]+)"/i.exec(stdin.toString('latin1'))?.[1];
  return SUPPORTED_VERSIONS.find((supported) => supported === version) ?? DEFAULT_VERSION;
}

/** stdout holds one JSON document and nothing else, whatever happens (CNI SPEC §2). Where it cannot be written, the exit status says so. */
function print(result: Result | ErrorResult): void {
  const bytes = Buffer.from(`${JSON.stringify(result, null, 4)}\n`);
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

async function main(): Promise<void> {
  let stdin: Buffer = Buffer.alloc(0);
  let result: Result | ErrorResult | null;
  try {
    const request = parseRequest(process.env, () => {
      stdin = readStdin();
      return stdin;
    });
    if ('conf' in request && request.conf.unknownKeys.length > 0) {
      const { name, unknownKeys } = request.conf;
      log('warn', `Ignored keys of network "${name}" that nobody reads`, { keys: unknownKeys });
    }
    result = await serve(request);
  } catch (error) {
    const failure = toErrorResult(error, versionOf(stdin));
    const { CNI_COMMAND: command, CNI_CONTAINERID: container, CNI_IFNAME: ifname } = process.env;
    log('error', failure.msg, { command, container, ifname, code: failure.code, details: failure.details });
    result = failure;
    process.exitCode = 1;
  }
  if (result !== null) print(result);
}

await main();
