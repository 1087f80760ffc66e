/**
 * docs/adding-a-binding.md lists the files that the compiler names after a new row in
 * shared/bindings.ts, and each binding has its documentation.
 */
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BINDING_NAMES } from '../../../shared/bindings.ts';
import { withDirectory } from '../../helpers/plugin/shim.ts';

const test = suite('docs/adding-a-binding.md');

const ROOT = resolve(import.meta.dirname, '../../..');
const page = (name: string): string => readFileSync(join(ROOT, 'docs', name), 'utf8');

const FOLDERS = ['cli', 'cni', 'daemonset', 'nad', 'sidecar', 'shared'];
const TABLE = 'shared/bindings.ts';

/** Files of the code in which the compiler finds an error after this row is added. */
async function namedAfter(row: string): Promise<readonly string[]> {
  return withDirectory(async (directory) => {
    for (const folder of FOLDERS) cpSync(join(ROOT, folder), join(directory, folder), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'));
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: FOLDERS }));
    const table = join(directory, TABLE);
    const [before, after] = readFileSync(table, 'utf8').split('export const BINDINGS = {\n');
    writeFileSync(table, `${before}export const BINDINGS = {\n${row}\n${after}`);
    const options = { cwd: directory, reject: false, preferLocal: true, localDir: ROOT };
    const { stdout } = await execa('tsc', ['-p', '.'], options);
    return [...new Set([...stdout.matchAll(/^([\w/.-]+)\(\d+,\d+\): error/gm)].map(([, file = '']) => file))];
  });
}

/** A file in which an error only follows from one in a listed file. */
const FOLLOWS = ['sidecar/define-domain.ts'];

test('lists the files that the compiler names', async () => {
  const named = await namedAfter("  probe: { inNetns: true, registeredAs: { probe: 'tapwire-probe' } },");
  const listed = [...page('adding-a-binding.md').matchAll(/^\| `([\w/-]+\.ts)` \|/gm)].map(
    ([, file = '']) => file,
  );
  assert.ok(listed.length > 5, `${listed.length} files`);
  assert.equal(named.filter((file) => !FOLLOWS.includes(file)).sort(), [...listed].sort());
});

test('names those in sidecar/ and nad/ for a binding that changes nothing in the netns', async () => {
  const named = await namedAfter("  probe: { inNetns: false, registeredAs: { probe: 'tapwire-probe' } },");
  assert.equal(named.filter((file) => !FOLLOWS.includes(file)).sort(), [
    'nad/bindings.ts',
    'nad/generate/example-vm.ts',
    'sidecar/bindings/table.ts',
  ]);
});

for (const name of BINDING_NAMES) {
  test(`${name} has a section in bindings.md and a column in support.md`, () => {
    assert.match(page('bindings.md'), new RegExp(`^## ${name}$`, 'm'));
    assert.match(page('support.md'), new RegExp(`^\\| the pod link is from \\|.* \`${name}\` \\|`, 'm'));
  });
}

test.run();
