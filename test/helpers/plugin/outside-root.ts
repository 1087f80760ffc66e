/**
 * Runs programs as Multus' thick daemon runs plugins: in a working directory outside of their root
 * directory (test/cni/outside-root.c).
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import type { CommandLine } from './way.ts';

const SOURCE = resolve(import.meta.dirname, '../../cni/outside-root.c');

const directory = mkdtempSync(join(tmpdir(), 'tapwire-outside-'));
process.on('exit', () => rmSync(directory, { recursive: true }));
/** In a mount namespace of its own, because every process mounts a file system here. */
const EMPTY = join(directory, 'empty');
mkdirSync(EMPTY);

let compiled: Promise<string> | undefined;

async function compile(): Promise<string> {
  const program = join(directory, 'outside-root');
  await execa('gcc', ['-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
  return program;
}

/** The command line that runs this one outside of its root directory, with the same environment. */
export async function outsideRoot({ words, env }: CommandLine): Promise<CommandLine> {
  compiled ??= compile();
  return { words: [await compiled, EMPTY, ...words], env };
}
