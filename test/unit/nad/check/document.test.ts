import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDocuments } from '../../../../nad/check/document.ts';

const test = suite('parseDocuments()');

const parse = (text: string) => parseDocuments('f.yaml', text);
const valuesOf = (text: string) => parse(text).documents.map(({ value }) => value);
const failuresOf = (text: string) =>
  parse(text).findings.map(({ place, message }) => `${place.line} ${message}`);

for (const [why, text, want] of [
  ['nothing', '', []],
  ['only comments', '# nothing\n---\n# here\n', []],
  ['several documents', 'a: 1\n---\nb: 2\n---\n', [{ a: 1 }, { b: 2 }]],
  ['JSON', '{"a": [1, "2", null, true]}', [{ a: [1, '2', null, true] }]],
  ['merge keys as Kubernetes does', 'x: &x {a: 1}\nz: {<<: *x, b: 2}', [{ x: { a: 1 }, z: { a: 1, b: 2 } }]],
  ['a MAC address as text', 'mac: 02:00:00:00:00:01', [{ mac: '02:00:00:00:00:01' }]],
  ['a byte order mark', '\ufeffa: 1', [{ a: 1 }]],
  ['null', 'null\n--- ~\n', []],
  ['a program as text without objects', '\u007fELF\u0002\u0001', ['\u007fELF\u0002\u0001']],
  ['CRLF', 'a: 1\r\nb: 2\r\n', [{ a: 1, b: 2 }]],
] as const) {
  test(`reads ${why}`, () => {
    assert.equal(valuesOf(text), want);
    assert.equal(failuresOf(text), []);
  });
}

test('finds lines by JSON path, or the line of the nearest parent', () => {
  const text = '# VM\nspec:\n  networks:\n    - name: a\n      pod: {}\n    - {name: b}\n---\nspec: 1\n';
  const [first, second] = parse(text).documents;
  for (const [path, line] of [
    ['$', 2],
    ['$.spec', 2],
    ['$.spec.networks', 3],
    ['$.spec.networks[0]', 4],
    ['$.spec.networks[0].pod', 5],
    ['$.spec.networks[1].name', 6],
    ['$.spec.networks[2].name', 3],
    ['$.spec.networks[0].pod.x.y', 5],
    ['$.status', 2],
    ['nonsense', 2],
  ] as const) {
    assert.equal(first?.at(path), { file: 'f.yaml', line }, path);
  }
  assert.equal(second?.at('$.spec'), { file: 'f.yaml', line: 8 });
});

test('names the line of a broken document, and reads the others', () => {
  const text = 'a: 1\n---\nb: [1, 2\n---\nc: 3\n';
  assert.equal(valuesOf(text), [{ a: 1 }, { c: 3 }]);
  const [failure = '', ...others] = failuresOf(text);
  assert.equal(others, []);
  assert.match(failure, /^[34] Cannot parse "f\.yaml": /);
});

for (const [why, text, want] of [
  [
    'a key of nothing',
    'a: 1\n~: 2\n',
    /^2 Cannot parse "f\.yaml": a key must be a string; quote it, or render the template first$/,
  ],
  [
    'a list as a key',
    'a: {[b]: 1}\n',
    /^1 Cannot parse "f\.yaml": a key must be a string; quote it, or render the template first$/,
  ],
  ['tabs', 'a:\n\tb: 1\n', /^2 Cannot parse "f\.yaml": Tabs are not allowed as indentation/],
  ['an alias of nothing', 'a: *x\n', /^1 Cannot parse "f\.yaml": Unresolved alias/],
  ['brackets without end', '['.repeat(100_000), /^1 Cannot parse "f\.yaml": it is nested too deeply$/],
  [
    'brackets too deep',
    '['.repeat(50_000) + ']'.repeat(50_000),
    /^1 Cannot parse "f\.yaml": it is nested too deeply$/,
  ],
  ['maps too deep', '{"a":'.repeat(50_000), /^1 Cannot parse "f\.yaml": it is nested too deeply$/],
  [
    'a huge file',
    `# ${' '.repeat(16 * 2 ** 20)}`,
    /^1 Cannot parse "f\.yaml": it has \d+ characters; split it/,
  ],
] as const) {
  test(`rejects ${why}`, () => {
    const failures = failuresOf(text);
    assert.ok(failures.length > 0);
    assert.match(failures[0] ?? '', want);
  });
}

test('rejects multiplying aliases before it resolves them', () => {
  const levels = [...'abcdefghi'];
  const lines = levels.map(
    (name, i) => `${name}: &${name} [${Array(9).fill(i === 0 ? 'x' : `*${levels[i - 1]}`)}]`,
  );
  assert.equal(failuresOf(lines.join('\n')), [
    '1 Cannot parse "f.yaml": Excessive alias count indicates a resource exhaustion attack',
  ]);
});

test('treats __proto__ as an ordinary key', () => {
  const [value] = valuesOf('{"__proto__": {"kind": "KubeVirt"}}') as [object];
  assert.is(Object.getPrototypeOf(value), Object.prototype);
  assert.ok(Object.hasOwn(value, '__proto__'));
  assert.is((value as { kind?: string }).kind, undefined);
});

test.run();
