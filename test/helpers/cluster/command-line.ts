/** The command line `tapwire` as it is built, and the pages that show its output. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { NODE } from '../agent/agent.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
export const BUNDLE = resolve(ROOT, 'dist/tapwire/index.js');

export interface Printed {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param under a command line that runs the program as another user or in another place; it ends in
 * an exec
 */
export async function tapwire(
  args: readonly string[],
  under: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Printed> {
  const [file = '', ...rest] = [...under, NODE, BUNDLE, ...args];
  const options = {
    env,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    stdin: 'ignore',
  } as const;
  const { exitCode, stdout, stderr } = await execa(file, rest, options);
  return { exitCode, stdout, stderr };
}

const isUpdate = process.env['UPDATE_DOCS'] === '1';

/**
 * Fails unless the page shows this output below `$ command`, in a block of its own. UPDATE_DOCS=1
 * writes it there.
 */
export function assertShown(page: string, command: string, output: string): void {
  const path = resolve(ROOT, page);
  const text = readFileSync(path, 'utf8');
  const start = `\`\`\`console\n$ ${command}\n`;
  const [before, behind] = text.split(start);
  assert.ok(
    before !== undefined && behind !== undefined,
    `${page} has a block that begins with "$ ${command}"`,
  );
  const end = behind.indexOf('```');
  if (isUpdate) writeFileSync(path, `${before}${start}${output}${behind.slice(end)}`);
  else
    assert.is(
      behind.slice(0, end),
      output,
      `${page} shows what "${command}" prints; UPDATE_DOCS=1 writes it`,
    );
}

/** Fails unless a file has exactly this content. UPDATE_DOCS=1 writes it. */
export function assertFile(file: string, content: string): void {
  const path = resolve(ROOT, file);
  if (isUpdate) writeFileSync(path, content);
  else assert.is(readFileSync(path, 'utf8'), content, `${file} is what is drawn; UPDATE_DOCS=1 writes it`);
}
