/** Checks that each link in the documentation leads to an existing file and heading. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('links of the documentation');

const ROOT = resolve(import.meta.dirname, '../../..');
const PAGES = globSync(['*.md', 'docs/*.md', '{bench,nad,daemonset}/**/*.md'], { cwd: ROOT }).sort();

/** Text of a page without code, because brackets in code are not links. */
const prose = (page: string): string =>
  readFileSync(join(ROOT, page), 'utf8')
    .replace(/^```[\s\S]*?^```$/gm, '')
    .replace(/`[^`\n]*`/g, '');

const linksOf = (page: string): string[] =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));

/** Anchors of the headings, as GitHub generates them. */
const anchorsOf = (page: string): string[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/ /g, '-'),
  );

for (const page of PAGES) {
  test(`${page} has no dead links`, () => {
    const dead = linksOf(page).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    assert.equal(dead, []);
  });
}

test('README leads to every page of docs/', () => {
  const seen = new Set<string>();
  const visit = (page: string): void => {
    if (seen.has(page) || !page.endsWith('.md') || !existsSync(join(ROOT, page))) return;
    seen.add(page);
    for (const link of linksOf(page)) visit(normalize(join(dirname(page), link.split('#')[0] || page)));
  };
  visit('README.md');
  assert.equal(
    PAGES.filter((page) => page.startsWith('docs/') && !seen.has(page)),
    [],
  );
});

test.run();
