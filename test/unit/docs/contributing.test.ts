/** CONTRIBUTING.md names every directory of the repository, and every way to run a test. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WAYS } from '../../helpers/plugin/way.ts';

const test = suite('CONTRIBUTING.md');

const ROOT = resolve(import.meta.dirname, '../../..');
const page = readFileSync(resolve(ROOT, 'CONTRIBUTING.md'), 'utf8');
/** The layout: the line of each directory, with the indented lines after it. */
const layout = new Map(
  [...page.matchAll(/^(\w+)\/ +(.*\n(?: {4,}.*\n)*)/gm)].map(([, name = '', text = '']) => [name, text]),
);

/** Directories up to a depth of three, without hidden ones. */
async function directories(): Promise<readonly string[]> {
  // Otherwise git rejects a clone that belongs to another user.
  const trusting = ['-c', 'safe.directory=*'];
  const { stdout } = await execa('git', [...trusting, 'ls-files'], { cwd: ROOT });
  const parents = stdout.split('\n').flatMap((path) => {
    const parts = path.split('/').slice(0, -1);
    return parts.slice(0, 3).map((_, i) => parts.slice(0, i + 1).join('/'));
  });
  return [...new Set(parents)].filter((path) => !path.startsWith('.')).sort();
}

test('the layout names each directory of the repository', async () => {
  const tops = (await directories()).filter((path) => !path.includes('/'));
  assert.equal([...layout.keys()].sort(), tops);
});

/** Directories whose parts are explained elsewhere, or by their names. */
const LEFT_OUT = ['nad', 'bench'];

test('the layout names the parts of each directory', async () => {
  const parts = (await directories()).map((path) => path.split('/')).filter(({ length }) => length === 2);
  const missing = parts.filter(([top = '', part = '']) => !layout.get(top)?.includes(`${part}/`));
  assert.equal(
    missing.filter(([top = '']) => !LEFT_OUT.includes(top)).map((path) => path.join('/')),
    [],
  );
});

test('the layout names the parts of test/helpers', async () => {
  const parts = (await directories()).flatMap((path) => /^test\/helpers\/(\w+)$/.exec(path)?.[1] ?? []);
  assert.equal(
    parts.filter((part) => !layout.get('test')?.includes(`${part}/`)),
    [],
  );
});

test('each value of TAPWIRE_WAY is named', () => {
  for (const way of WAYS) assert.match(page, new RegExp(`\`${way}\``), way);
});

test.run();
