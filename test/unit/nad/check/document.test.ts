import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDocuments } from '../../../../nad/check/document.ts';
import { Budget } from '../../../../nad/check/yaml/budget.ts';

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
  ['brackets without end', '['.repeat(50_000), /^1 Cannot parse "f\.yaml": it is nested too deeply$/],
  [
    'brackets too deep',
    '['.repeat(50_000) + ']'.repeat(50_000),
    /^1 Cannot parse "f\.yaml": it is nested too deeply$/,
  ],
  ['maps too deep', '{"a":'.repeat(50_000), /^1 Cannot parse "f\.yaml": it is nested too deeply$/],
] as const) {
  test(`rejects ${why}`, () => {
    const failures = failuresOf(text);
    assert.ok(failures.length > 0);
    assert.match(failures[0] ?? '', want);
  });
}

/** Messages for a text of which an object may cost 1000, and all together 3000. */
const messagesWithin = (text: string): readonly string[] =>
  parseDocuments('f', text, new Budget(3000, 1000)).findings.map(
    ({ place, message }) => `${place.line} ${message}`,
  );
const OBJECT_TOO_LARGE =
  'Cannot parse "f": an object has more than 1000 words, marks and line breaks ' +
  '(16 letters of a text count as one); check one namespace at a time: kubectl get -n NAMESPACE …';

for (const [why, text] of [
  ['items', '- a\n'.repeat(500)],
  ['keys', Array.from({ length: 500 }, (_, i) => `k${i}: 1\n`).join('')],
  ['one huge text', `a: ${'x'.repeat(20_000)}`],
  ['lines of a text', `a: '${'\n'.repeat(2000)}'`],
  ['lines of a block', `a: |\n${' \n'.repeat(2000)}`],
  ['blank lines', `a: 1${'\n'.repeat(2000)}`],
  ['comments', '#\n'.repeat(2000)],
  ['brackets', `[${'[],'.repeat(220)}]`],
  ['lists in lists', `${'- - - - a\n'.repeat(62)}`],
  ['aliases', `a: &a {${'b: 1,'.repeat(50)}}\nc: [${'*a,'.repeat(50)}]`],
] as const) {
  test(`bounds an object by its ${why}, and reads the others`, () => {
    const { documents, findings } = parseDocuments(
      'f',
      `a: 1\n---\n${text}\n---\nb: 2`,
      new Budget(9000, 1000),
    );
    assert.equal(
      documents.map(({ value }) => value),
      [{ a: 1 }, { b: 2 }],
    );
    assert.equal(
      findings.map(({ message }) => message),
      [OBJECT_TOO_LARGE],
    );
  });
}

for (const [why, text] of [
  ['documents', 'a: 1\n---\n'.repeat(100)],
  ['JSON objects', '{}\n'.repeat(100)],
] as const) {
  test(`bounds all files together by their ${why}`, () => {
    const messages = messagesWithin(text);
    assert.is(messages.length, 1);
    assert.match(messages[0] ?? '', /^\d+ Cannot parse "f": the files have more than 3000 words/);
  });
}

test('reads nothing more once all files together are too large', () => {
  const budget = new Budget(3000, 1000);
  assert.is(parseDocuments('f', '{}\n'.repeat(100), budget).documents.length, 0);
  const { documents, findings } = parseDocuments('g', 'a: 1\n---\nb: 2\n', budget);
  assert.equal(documents, []);
  assert.is(findings.length, 1);
});

test('does not take the first letter of a text for an alias', () => {
  const text = `a: |\n  *${'x '.repeat(100)}\nb: "*x"\n`.repeat(3);
  assert.is(parseDocuments('f', text, new Budget(3000, 500)).findings.filter(isError).length, 0);
});
const isError = ({ severity }: { readonly severity: string }) => severity === 'error';

test('reads a long list', () => {
  const { documents, findings } = parseDocuments('f', '-\n'.repeat(140_000), new Budget(1e7, 1e7));
  assert.equal(findings, []);
  assert.equal(Object.keys(documents[0]?.value ?? {}).length, 140_000);
});

const ITEMS = ['- apiVersion: v1\n  kind: A\n  text: |\n    - x\n\n    y\n', '- apiVersion: v1\n  kind: B\n'];
const LIST = `apiVersion: v1\nitems:\n${ITEMS.join('')}kind: List\nmetadata:\n  resourceVersion: ""\n`;

for (const [why, text] of [
  ['YAML', LIST],
  ['YAML after a separator', `---\n${LIST}`],
  [
    'JSON',
    JSON.stringify({ apiVersion: 'v1', items: [{ kind: 'A', text: '}{' }, { kind: 'B' }], kind: 'List' }),
  ],
  [
    'indented JSON',
    `${JSON.stringify({ apiVersion: 'v1', items: [{ kind: 'A' }, { kind: 'B' }], kind: 'List', metadata: {} }, null, 4)}\n`,
  ],
] as const) {
  test(`reads the items of a list that kubectl printed one by one: ${why}`, () => {
    const { documents, findings } = parse(text);
    assert.equal(findings, []);
    const kinds = documents.map(({ value }) => (value as { kind: string }).kind);
    assert.equal(kinds, ['A', 'B']);
    for (const { value, at } of documents) {
      const { kind } = value as { kind: string };
      const lines = text.split('\n');
      assert.match(lines[at('$.kind').line - 1] ?? '', new RegExp(`kind"?: *"?${kind}`));
    }
  });
}

for (const [why, text] of [
  ['an alias of another item', LIST.replace('kind: A', 'kind: &a A').replace('kind: B', 'kind: *a')],
  ['a quote that ends at the margin', LIST.replace('kind: A', "kind: 'x\n- y'").replace('kind: B', "b: 'z'")],
  ['another key after the items', `${LIST}x: 1\n`],
  ['a comment at the margin', LIST.replace(ITEMS[1] ?? '', (item) => `# b\n${item}`)],
  ['another kind', LIST.replace('kind: List', 'kind: VirtualMachineList')],
] as const) {
  test(`reads a list with ${why} as a whole`, () => {
    const { documents, findings } = parse(text);
    assert.equal(findings, []);
    assert.is(documents.length, 1);
    assert.match(JSON.stringify(documents[0]?.value), /"items":\[\{.*\},\{.*\}\]/);
  });
}

test('names the line of an error in an item', () => {
  assert.match(failuresOf(LIST.replace('kind: B', 'kind: [')).join(), /^1[01] Cannot parse "f\.yaml": /);
});

test('names the error of an item also in a list that is too large to be read as a whole', () => {
  const items = ITEMS.join('').repeat(30);
  const list = LIST.replace(ITEMS.join(''), `${items}- kind: [\n`);
  const [finding, ...others] = parseDocuments('f', list, new Budget(1e6, 1000)).findings;
  assert.match(finding?.message ?? '', /^Cannot parse "f": (?!an object has)/);
  assert.ok((finding?.place.line ?? 0) >= 243, `line ${finding?.place.line}`);
  assert.equal(others, []);
});

test('names 1000 duplicate keys at most', () => {
  assert.is(parse('a: 1\n'.repeat(3000)).findings.length, 1000);
});

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
