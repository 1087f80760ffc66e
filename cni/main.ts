import { readFileSync, writeSync } from 'node:fs';
import { BindingError, messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { serve } from './commands.ts';
import { parseRequest, SUPPORTED_VERSIONS } from './request.ts';
import { type ErrorResult, type Result, toErrorResult } from './result.ts';

/** The version to answer in when the request itself could not be read. */
function versionOf(stdin: string): string {
  const version = /"cniVersion"\s*:\s*"([\d.]+)"/.exec(stdin)?.[1];
  return SUPPORTED_VERSIONS.find((supported) => supported === version) ?? SUPPORTED_VERSIONS[3];
}

/** stdout holds one JSON document and nothing else, whatever happens (CNI SPEC §2). */
function print(result: Result | ErrorResult): void {
  const bytes = Buffer.from(`${JSON.stringify(result, null, 4)}\n`);
  for (let written = 0; written < bytes.length; ) written += writeSync(1, bytes, written);
}

function readStdin(): string {
  try {
    return readFileSync(0, 'utf8');
  } catch (cause) {
    throw new BindingError('IO_FAILURE', `error reading from stdin: ${messageOf(cause)}`, { cause });
  }
}

let stdin = '';
try {
  const request = parseRequest(process.env, () => {
    stdin = readStdin();
    return stdin;
  });
  const result = await serve(request);
  if (result !== null) print(result);
} catch (error) {
  const result = toErrorResult(error, versionOf(stdin));
  const { CNI_COMMAND: command, CNI_CONTAINERID: container, CNI_IFNAME: ifname } = process.env;
  log('error', result.msg, { command, container, ifname, code: result.code, details: result.details });
  print(result);
  process.exitCode = 1;
}
