/**
 * The beginning of the sidecar's bundle. Runs the program, which follows as a string, with V8's
 * code cache if there is one next to the bundle. The cache saves a quarter of the CPU time until
 * the socket exists. The program also starts without it, and with one that V8 rejects because it is
 * cut off, or from another program or version.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

/** Path of a bundle's cache. Contains the processor, because V8 does not check it. */
export const cachePathOf = (bundle: string): string => `${bundle}.${process.arch}.cache`;

/**
 * Compiles the program of a bundle.
 *
 * @param cachedData the code cache; an empty one is rejected by V8 and has no effect
 */
export const compile = (program: string, cachedData: Buffer = Buffer.alloc(0)): Script =>
  new Script(program, { filename: 'tapwire-sidecar.js', cachedData });

/** Runs a compiled program as the module with this URL. */
export const execute = (script: Script, url: string): Promise<void> =>
  script.runInThisContext()(createRequire, url);

/** Compiles and runs the program of the bundle with this URL. */
export function start(program: string, url: string): Promise<void> {
  return execute(compile(program, readIfAny(cachePathOf(fileURLToPath(url)))), url);
}

function readIfAny(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
