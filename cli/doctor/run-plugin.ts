import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { get } from '../../shared/json.ts';

/** Timeout of a plugin in ms. It waits up to 10 s for an agent. */
const TIMEOUT = 20_000;

interface Ran {
  readonly failure: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Command line of a fallback in its directory, as cni/shim/fallback.c runs it. */
export const FALLBACK_COMMAND = ['lib/ld.so', '--library-path', 'lib', './node', './index.js'] as const;

/** Runs a program with exactly this environment, and this text at its stdin. */
export function run(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd = '/',
  input = '',
): Promise<Ran> {
  return new Promise((settle) => {
    const path = file.startsWith('/') ? file : join(cwd, file);
    const child = execFile(path, args, { env, cwd, timeout: TIMEOUT }, (error, stdout, stderr) =>
      settle({ failure: error === null ? null : messageOf(error), stdout, stderr }),
    );
    child.stdin?.on('error', () => {}).end(input);
  });
}

/**
 * Runs CNI's VERSION. Resolves to null if the result is valid, or else to the plugin's error
 * message or a reason.
 */
export async function failureOfVersion(
  file: string,
  args: readonly string[],
  cwd: string,
): Promise<string | null> {
  const { failure, stdout } = await run(file, args, { CNI_COMMAND: 'VERSION' }, cwd);
  let reply: unknown;
  try {
    reply = JSON.parse(stdout);
  } catch {
    return failure ?? 'its VERSION result is not JSON';
  }
  if (Array.isArray(get(reply, 'supportedVersions'))) return null;
  const message = get(reply, 'msg');
  return typeof message === 'string' ? message : (failure ?? 'it does not answer VERSION');
}
