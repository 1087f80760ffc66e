import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDocuments } from '../../../../../nad/check/document.ts';

const test = suite('parseDocuments(), as sigs.k8s.io/yaml');

const parse = (text: string) => parseDocuments('f', text);
const valuesOf = (text: string) => parse(text).documents.map(({ value }) => value);
const findingsOf = (text: string) =>
  parse(text).findings.map(({ severity, place, message }) => `${place.line} ${severity}: ${message}`);

/** Scalars, and the JSON that kubectl 1.36 sends for them (go.yaml.in/yaml/v2). */
const SCALARS: readonly (readonly [unknown, readonly string[]])[] = [
  [true, ['true', 'True', 'TRUE', 'yes', 'Yes', 'YES', 'y', 'Y', 'on', 'On', 'ON', '!!bool yes']],
  [false, ['false', 'False', 'FALSE', 'no', 'No', 'NO', 'n', 'N', 'off', 'Off', 'OFF']],
  [null, ['', '~', 'null', 'Null', 'NULL']],
  [511, ['511', '0777', '0o777', '0x1FF', '0x1ff', '0b111111111', '5_1_1', '+511', '511.0', '5.11e2']],
  [-511, ['-511', '-0777', '-0x1FF', '-5.11E+2']],
  [89, ['089', '!!int 89']],
  [0.5, ['.5', '0.5', '5e-1']],
  [1, ['1.', '1', '01', '1.0', '!!float 1']],
];
for (const [value, texts] of SCALARS) {
  for (const text of texts) {
    test(`reads ${JSON.stringify(text)} as ${value}`, () =>
      assert.equal(valuesOf(`a: ${text}`), [{ a: value }]));
  }
}

for (const text of [
  ...[
    '02:00:00:00:00:01',
    '10:20:30:40:50:51',
    'de:ad:00:00:be:af',
    '1:30',
    '190:20:30.15',
    'fd00::1',
    '10.0.0.1',
  ],
  ...['2001-01-01', '2001-12-14t21:59:43.10-05:00', '2001-12-14 21:59:43.10 -5', '1.0.0', 'v1.0', '1.2.3.4'],
  ...[
    '.',
    '.e3',
    '..',
    '_1',
    '0b12',
    '0o8',
    '0xG',
    '1e',
    'tRUE',
    'yEs',
    'nULL',
    'oN',
    '=',
    '1500m',
    '5Gi',
    'a:b',
    'x#y',
  ],
]) {
  test(`reads ${text} as text`, () => assert.equal(valuesOf(`a: ${text}`), [{ a: text }]));
}

const JSON_TEXT = '{ "a": 1, "b": 2 }';
/** Configurations as real NADs write them: lines in quotes may have any indentation. */
const CONFIGS: readonly (readonly [string, string, string])[] = [
  ['single quotes that close at the indent of their key', `'{ "a": 1,\n    "b": 2\n  }'`, JSON_TEXT],
  ['single quotes that close at the margin', `'{ "a": 1,\n"b": 2\n}'`, JSON_TEXT],
  ['single quotes with tabs', `'{\t"a": 1,\n\t"b": 2\n\t}'`, `{\t"a": 1, "b": 2 }`],
  ['single quotes with CRLF', `'{ "a": 1,\r\n"b": 2\r\n}'`, JSON_TEXT],
  ['single quotes with empty lines', `'{ "a": 1,\n\n"b": 2 }'`, '{ "a": 1,\n"b": 2 }'],
  ['single quotes with a comment after them', `'{ "a": 1,\n"b": 2 }' # }'`, JSON_TEXT],
  ['a quote within single quotes', `'{ "a": "it''s"\n}'`, `{ "a": "it's" }`],
  ['double quotes at the margin', `"{ \\"a\\": 1,\n\\"b\\": 2\n}"`, JSON_TEXT],
  ['double quotes with line ends escaped', `"{ \\"a\\": 1,\\\n \\ \\"b\\": 2 }"`, JSON_TEXT],
  ['a literal block', `|\n    { "a": 1,\n      "b": 2 }\n`, '{ "a": 1,\n  "b": 2 }\n'],
  [
    'a literal block that ends without a line end',
    `|-\n    { "a": 1,\n      "b": 2 }`,
    '{ "a": 1,\n  "b": 2 }',
  ],
  ['a literal block with tabs', `|-\n    {\n    \t"a": 1\n    }`, '{\n\t"a": 1\n}'],
  ['a folded block', `>-\n    { "a": 1,\n    "b": 2 }\n`, JSON_TEXT],
  ['a block with an indentation indicator', `|2-\n      { "a": 1 }\n`, '  { "a": 1 }'],
  ['plain text over several lines', `a\n    b\n`, 'a b'],
  ['a tag', `!!str 12`, '12'],
];
for (const [why, config, want] of CONFIGS) {
  test(`reads ${why}`, () => {
    const text = `spec:\n  config: ${config}\n  next: 1\nkind: x\n`;
    assert.equal(valuesOf(text), [{ spec: { config: want, next: 1 }, kind: 'x' }]);
    assert.equal(findingsOf(text), []);
  });
}

const DOCUMENTS: readonly (readonly [string, string, readonly unknown[]])[] = [
  [
    'flow collections that close at the margin',
    'a: {\n"b": [\n1,\n{c: 2\n}\n]\n}\nd: 3\n',
    [{ a: { b: [1, { c: 2 }] }, d: 3 }],
  ],
  ['flow collections with trailing commas', 'a: {b: 1, c: [2,],}', [{ a: { b: 1, c: [2] } }]],
  ['JSON with tabs', '{\n\t"a": {\n\t\t"b": 1\n\t}\n}\n', [{ a: { b: 1 } }]],
  ['consecutive JSON objects', '{"a": "}{"}\n{"a": "\\"{"} {"a": 3}', [{ a: '}{' }, { a: '"{' }, { a: 3 }]],
  ['JSON between separators', '---\n{"a": 1}\n---\n{"a": 2}\n', [{ a: 1 }, { a: 2 }]],
  ['JSON after a byte order mark', '\ufeff{"a": 1}', [{ a: 1 }]],
  ['separators with comments', 'a: 1 # x\n--- # y\nb: 1\n---\t\nc: 1\n', [{ a: 1 }, { b: 1 }, { c: 1 }]],
  ['separators with CRLF', 'a: 1\r\n---\r\nb: 1\r\n', [{ a: 1 }, { b: 1 }]],
  ['documents that end with dots', '---\na: 1\n...\n---\nb: 1\n...\n', [{ a: 1 }, { b: 1 }]],
  ['many separators', '---\n---\n\n---\na: 1\n---\n---\n', [{ a: 1 }]],
  [
    'keys of other types as text',
    '1: a\non: b\n0x10: c\n1.5: d\n',
    [{ '1': 'a', true: 'b', '16': 'c', '1.5': 'd' }],
  ],
  ['anchors and aliases', 'a: &x [1]\nb: *x\n', [{ a: [1], b: [1] }]],
  [
    'several maps merged',
    'a: &a {x: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b]}\n',
    [{ a: { x: 1 }, b: { x: 2, z: 2 }, c: { x: 1, z: 2 } }],
  ],
  ['unknown tags', 'a: !Ref b\nc: !!set {d}\n', [{ a: 'b', c: { d: null } }]],
];
for (const [why, text, want] of DOCUMENTS) {
  test(`reads ${why}`, () => {
    assert.equal(valuesOf(text), want);
    assert.equal(findingsOf(text), []);
  });
}

test('takes the last of duplicate keys, warns, and names its line', () => {
  const text = 'a: 1\nb:\n  c: 1\n  c: 2\na: 3\n';
  assert.equal(valuesOf(text), [{ a: 3, b: { c: 2 } }]);
  const reason = (key: string) =>
    `key "${key}" appears twice, and Kubernetes takes the last one; remove one of them (kustomize rejects the file)`;
  assert.equal(findingsOf(text).toSorted(), [`4 warning: ${reason('c')}`, `5 warning: ${reason('a')}`]);
  const [document] = parse(text).documents;
  assert.equal([document?.at('$.a').line, document?.at('$.b.c').line], [5, 4]);
});

test('takes the first of documents without a separator, and warns', () => {
  const text = '---\na: 1\n...\nb: 1\n';
  assert.equal(valuesOf(text), [{ a: 1 }]);
  assert.equal(findingsOf(text), [
    '4 warning: Kubernetes ignores everything from a line "..." to the next "---"; write "---" instead of "..."',
  ]);
});

test('knows the lines of consecutive JSON objects', () => {
  const [first, second, third] = parse('{"a":\n1}\n{\n"b": 2} {"c":\n\n3}').documents;
  assert.equal(
    [first?.at('$.a'), second?.at('$.b'), third?.at('$.c')].map((place) => place?.line),
    [1, 4, 4],
  );
});

test('finds the lines of keys with dots by their quoted names', () => {
  const [document] = parse('metadata:\n  annotations:\n    x: 1\n    a.b/c: 2\n').documents;
  assert.is(document?.at('$.metadata.annotations["a.b/c"]').line, 4);
});

test.run();
