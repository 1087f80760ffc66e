import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';

/** Time in ms that the sidecar has to start on a slow machine. */
const START_TIMEOUT = 60_000;

/** Makes every build of a program write the same cache. */
const REPRODUCIBLE = ['--random-seed=1'];

/**
 * Changes the sidecar's bundle into what sidecar/loader.ts describes, and writes its code cache.
 *
 * @param bundle path of the bundle, an ES module
 * @param work directory for temporary files, with the compiled sources
 */
export async function addCodeCache(bundle: string, work: string): Promise<void> {
  const program = toFunction(readFileSync(bundle, 'utf8'));
  const loader = readFileSync(`${work}/sidecar/loader.js`, 'utf8');
  writeFileSync(bundle, `${loader}await start(${JSON.stringify(program)}, import.meta.url);\n`);
  await writeCodeCache(program, resolve(bundle), work);
}

/** Writes the code cache of a program next to its bundle, which need not exist. */
export async function writeCodeCache(program: string, bundle: string, work: string): Promise<void> {
  writeFileSync(`${work}/program.js`, program);
  mkdirSync(`${work}/hooks`);
  const writer = join(import.meta.dirname, 'write-code-cache.ts');
  await execa(process.execPath, [...REPRODUCIBLE, writer, 'program.js', bundle], {
    cwd: work, // The path of a socket must be short, so it is relative.
    env: { TAPWIRE_HOOK_DIR: 'hooks' },
    extendEnv: false,
    timeout: START_TIMEOUT,
  });
}

/**
 * Changes a module into an expression, because V8's code cache is for scripts. If something is left
 * that only a module may contain, compiling the expression fails, and so does the build.
 */
function toFunction(module: string): string {
  const [, createRequire] = /^import\{createRequire as (\w+)\}from"module";/.exec(module) ?? [];
  if (createRequire === undefined) throw new Error('Cannot read the bundle: it begins with no import');
  const body = module.slice(module.indexOf(';') + 1).replaceAll('import.meta.url', '__url');
  return `(async(${createRequire},__url)=>{${body}\n})`;
}
