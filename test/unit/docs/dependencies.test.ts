/** docs/dependencies.md gives a reason for every dependency, in the pinned version. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../../package.json' with { type: 'json' };

const test = suite('docs/dependencies.md');

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/dependencies.md'), 'utf8');

/** Cells of each row that starts with a package's name and an exact version. */
const rows = [...page.matchAll(/^\| `([^`]+)` \| (\d+\.\d+\.\d+) \| (.*) \|$/gm)].map(
  ([, name = '', version = '', rest = '']) => ({ name, version, why: rest.split(' | ').at(-1) ?? '' }),
);

for (const [name, version] of Object.entries({ ...tapwire.dependencies, ...tapwire.devDependencies })) {
  test(`says why ${name} ${version} is there`, () => {
    const found = rows.filter((row) => row.name === name);
    assert.equal(
      found.map((row) => row.version),
      [version],
    );
    assert.match(found[0]?.why ?? '', /\w{3,}.*\.$/, 'the last cell of its row is a sentence');
  });
}

test.run();
