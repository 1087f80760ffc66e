/**
 * The key of a build's input. The build compares it with the stamp of `dist`, and so does the test
 * runner, which must not test an older build.
 */
import { execa } from 'execa';
import { keyOf } from './up-to-date.ts';

/** The compiler of each architecture, by the directory of the shim under dist/cni and dist/test. */
export const COMPILERS = { '.': 'gcc', arm64: 'aarch64-linux-gnu-gcc' } as const;

/** Everything that a build reads, except node_modules, which the lockfile stands for. */
const SOURCES = [
  '{cli,cni,daemonset,nad,shared,sidecar}/**/*.{ts,c,h,json}',
  'scripts/*.ts',
  '{package,package-lock,tsconfig,tsconfig.build}.json',
];

/** The version of a compiler; undefined if it is not installed. */
async function versionOf(compiler: string): Promise<string | undefined> {
  const { exitCode, stdout } = await execa(compiler, ['--version'], { reject: false });
  return exitCode === 0 ? stdout : undefined;
}

/** Reads the sources in the current directory, and asks the compilers for their versions. */
export async function readBuildKey(): Promise<{ readonly key: string; readonly hasArm64: boolean }> {
  const [gcc, arm64] = await Promise.all([versionOf(COMPILERS['.']), versionOf(COMPILERS.arm64)]);
  if (gcc === undefined) throw new Error('gcc is missing; run "apt-get install gcc libc6-dev"');
  const facts = [process.version, process.arch, gcc, arm64 ?? 'no compiler for arm64'];
  return { key: keyOf(SOURCES, facts), hasArm64: arm64 !== undefined };
}
