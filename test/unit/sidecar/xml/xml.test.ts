import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { childrenNamed, type Element, parseXml } from '../../../../sidecar/xml/xml.ts';
import { caught } from '../../../helpers/caught.ts';
import { domainFixtures } from '../../../helpers/sidecar/domain-fixtures.ts';

const parse = suite('parseXml()');

const parsed = (xml: string) => parseXml(Buffer.from(xml));

/** Start tag, content and end tag of every kept element, as the positions have them. */
function slices(text: string, element: Element): string[] {
  const own = [
    text.slice(element.start, element.contentStart),
    text.slice(element.contentStart, element.contentEnd),
    text.slice(element.contentEnd, element.end),
  ];
  return [own.join('|'), ...element.children.flatMap((child) => slices(text, child))];
}

for (const [why, xml, want] of [
  ['start and end tag', '<a><b>x</b></a>', ['<a>|<b>x</b>|</a>', '<b>|x|</b>']],
  [
    'empty-element tags',
    '<a ><b/><c x="1" /></a >',
    ['<a >|<b/><c x="1" />|</a >', '<b/>||', '<c x="1" />||'],
  ],
  [
    '">" and "</" within values and text',
    '<a x=">"><b y="/>"/>&lt;/<c>]</c></a>',
    ['<a x=">">|<b y="/>"/>&lt;/<c>]</c>|</a>', '<b y="/>"/>||', '<c>|]|</c>'],
  ],
  ['CRLF', '<a\r\n>\r\n\t<b\r\n/>\r\n</a\r\n>\r\n', ['<a\r\n>|\r\n\t<b\r\n/>\r\n|</a\r\n>', '<b\r\n/>||']],
  ['characters beyond 16 bits', '<a>🧭<b>🔌</b>𝕏</a>', ['<a>|🧭<b>🔌</b>𝕏|</a>', '<b>|🔌|</b>']],
  [
    'a byte order mark and a declaration',
    '\ufeff<?xml version="1.0" encoding=\'UTF-8\'?><a>1</a>',
    ['<a>|1|</a>'],
  ],
  [
    'an encoding that is part of UTF-8',
    "<?xml version='1.0' encoding='us-ascii'?>\n<a>1</a>",
    ['<a>|1|</a>'],
  ],
  ['the same by another name', "<?xml version='1.0' encoding='ASCII'?>\n<a>1</a>", ['<a>|1|</a>']],
  [
    'comments, CDATA, processing instructions',
    '<!-- <x> --><a><!--</a>--><![CDATA[</a>]]><?p </a>?><b/></a>',
    ['<a>|<!--</a>--><![CDATA[</a>]]><?p </a>?><b/>|</a>', '<b/>||'],
  ],
  ['an unbound prefix', '<a><q:b q:c="1"/></a>', ['<a>|<q:b q:c="1"/>|</a>', '<q:b q:c="1"/>||']],
] as const) {
  parse(`positions: ${why}`, () => {
    const { text, root } = parsed(xml);
    assert.is(text, xml);
    assert.equal(slices(text, root), want);
  });
}

parse('positions: each kept element of each fixture begins and ends with its tag', () => {
  for (const { name, xml } of domainFixtures) {
    const { text, root } = parseXml(xml);
    const check = (element: Element) => {
      assert.ok(text.startsWith(`<${element.name}`, element.start), name);
      assert.match(text.slice(element.start, element.end), /\/\s*>$|<\/[\w:]+\s*>$/);
      element.children.forEach(check);
    };
    check(root);
  }
});

parse('attributes are decoded, and only those of the document exist', () => {
  const { attributes } = parsed('<a b="&#x41;&amp;&#10;&quot;" __proto__="p" constructor="c"/>').root;
  assert.is(attributes['b'], 'A&\n"');
  assert.equal(Object.keys(attributes), ['b', '__proto__', 'constructor']);
  assert.is(attributes['toString'], undefined);
});

parse('values: white space becomes spaces, references do not', () => {
  const { attributes } = parsed(
    '<a b="1\t2\r\n3\n4" c="&#9;&#xa;&#x1F9ED;" d=\'"&apos;\' é:_.-1 = "&lt;&gt;"/>',
  ).root;
  assert.equal({ ...attributes }, { b: '1 2 3 4', c: '\t\n🧭', d: '"\'', 'é:_.-1': '<>' });
});

parse('elements below the fifth level are validated, not kept', async () => {
  const { root } = parsed('<a><b><c><d><e><f/></e></d></c></b></a>');
  assert.is(root.children[0]?.children[0]?.children[0]?.children[0]?.children.length, 0);
  assert.is((await caught(() => parsed('<a><b><c><d><e><f></e></d></c></b></a>'))).code, 'INVALID_DOMAIN');
});

const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
const ENTITIES = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]>';

for (const [why, input, reason] of [
  ['nothing', '', '1:1: no root element'],
  ['white space', ' \n ', '2:2: no root element'],
  ['no markup', 'hello', '1:1: text outside of the root element'],
  ['JSON', '{"a": "<b/>"}', '1:1: text outside of the root element'],
  ['a tag that is not closed', '<a><b></a>', '1:7: an end tag "a" that ends nothing'],
  ['an end in the middle', '<a>\n<b', '2:3: a malformed tag "b"'],
  ['an end before the last tag', '<a><b/>', '1:8: an element that is not closed'],
  ['an end tag alone', '</a>', '1:1: an end tag "a" that ends nothing'],
  ['an end tag with an attribute', '<a></a b="1">', 'a malformed tag "a"'],
  ['an end tag that is empty', '<a></a/>', 'a malformed tag "a"'],
  ['a tag without a name', '<a>< b/></a>', '1:4: a malformed tag'],
  ['a name that begins with a digit', '<a><1/></a>', 'a malformed tag'],
  ['a name that begins with a combining character', '<a><\u0300/></a>', 'a malformed tag'],
  ['a name with a character that names do not have', '<a><b\u00d7/></a>', 'a malformed tag'],
  ['a name of 1,001 characters', `<${'a'.repeat(1001)}/>`, 'a malformed tag'],
  ['two roots', '<a/><b/>', 'a second root element'],
  ['text after the root', '<a/>x', 'text outside of the root element'],
  ['a reference after the root', '<a/>&amp;', 'text outside of the root element'],
  ['CDATA after the root', '<a/><![CDATA[]]>', 'text outside of the root element'],
  ['an attribute twice', '<a b="1" b="2"/>', 'attribute "b" twice'],
  ['an attribute without quotes', '<a b=1/>', 'attribute "b" without a value in quotes'],
  ['an attribute without a value', '<a b/>', 'attribute "b" without a value in quotes'],
  ['an attribute whose value has no end', '<a b="/>', 'a malformed value of attribute "b"'],
  ['attributes without space between', '<a b="1"c="2"/>', 'a malformed tag "a"'],
  ['"<" in a value', '<a b="<"/>', 'a malformed value of attribute "b"'],
  ['an undefined entity in a value', '<a b="&c;"/>', 'a malformed value of attribute "b"'],
  ['an entity nobody declared', '<a>&nbsp;</a>', 'a malformed or undefined reference in text'],
  ['"&" alone', '<a>&</a>', 'a malformed or undefined reference in text'],
  ['a reference without ";"', '<a>&amp</a>', 'a malformed or undefined reference in text'],
  ['"]]>" in text', '<a>]]></a>', '"]]>" in text'],
  ['a control character', '<a>\u0001</a>', '1:4: a character that XML does not have'],
  ['no character', '<a>\uffff</a>', 'a character that XML does not have'],
  ['a reference to NUL', '<a>&#0;</a>', 'a malformed or undefined reference in text'],
  ['a reference to half a pair', '<a>&#xD800;</a>', 'a malformed or undefined reference in text'],
  ['a reference beyond Unicode', '<a>&#x110000;</a>', 'a malformed or undefined reference in text'],
  ['a reference with "X"', '<a>&#X41;</a>', 'a malformed or undefined reference in text'],
  ['"--" in a comment', '<a><!-- -- --></a>', '"--" in a comment'],
  ['"-" at the end of a comment', '<a><!-- ---></a>', '"--" in a comment'],
  ['a comment without an end', '<a><!-- </a>', 'a comment that is not closed'],
  ['CDATA without an end', '<a><![CDATA[ ]]</a>', 'a CDATA section that is not closed'],
  ['an instruction without an end', '<a><?p </a>', 'a malformed processing instruction or declaration'],
  ['an instruction without a name', '<a><? p?></a>', 'a malformed processing instruction or declaration'],
  [
    'an instruction of the name "XML"',
    '<a><?XML p?></a>',
    'a malformed processing instruction or declaration',
  ],
  ['a late declaration', ' <?xml version="1.0"?><a/>', 'a malformed processing instruction or declaration'],
  ['another declaration', '<a><!ELEMENT a ANY></a>', 'a malformed processing instruction or declaration'],
  ['a declaration without version', '<?xml encoding="UTF-8"?><a/>', 'a malformed XML declaration'],
  ['a document type', '<!DOCTYPE a><a/>', 'a document type declaration is not accepted'],
  ['an entity bomb', `${ENTITIES}<a>&y;</a>`, 'a document type declaration is not accepted'],
  [
    'an external entity',
    '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    'a document type declaration is not accepted',
  ],
  ['XML 1.1', '<?xml version="1.1"?><a/>', 'want XML version 1.0, got 1.1'],
  [
    'another encoding by name',
    '<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
    'want encoding UTF-8, got ISO-8859-1',
  ],
  ['Latin-1', Buffer.from('<a>\xe9</a>', 'latin1'), 'it is not UTF-8'],
  ['UTF-16', Buffer.from('\ufeff<a/>', 'utf16le'), 'it is not UTF-8'],
  ['UTF-16 without mark', Buffer.from('<a/>', 'utf16le'), 'a character that XML does not have'],
  ['half a surrogate pair', Buffer.from('3c613eeda0803c2f613e', 'hex'), 'it is not UTF-8'],
  ['65 levels', nested(65), 'elements are nested more than 64 deep'],
  ['a million levels', '<a>'.repeat(300_000), 'elements are nested more than 64 deep'],
  ['20,001 elements', `<a>${'<b/>'.repeat(20_000)}</a>`, 'it has more than 20000 elements'],
  [
    '129 attributes',
    `<a ${Array.from({ length: 129 }, (_, n) => `a${n}=""`).join(' ')}/>`,
    'an element has more than 128 attributes',
  ],
  [
    '1,001 attributes of different names',
    `<a>${Array.from({ length: 1001 }, (_, n) => `<b c${n}=""/>`).join('')}</a>`,
    'attributes have more than 1000 different names',
  ],
  ['more than 1 MiB', `<a>${' '.repeat(1024 * 1024)}</a>`, 'it has 1048583 bytes, more than 1048576'],
] as const) {
  parse(`refuses ${why}`, async () => {
    const error = await caught(() => parseXml(Buffer.from(input as string)));
    assert.is(error.code, 'INVALID_DOMAIN');
    assert.ok(error.message.startsWith('Cannot read domain XML: '), error.message);
    assert.ok(error.message.endsWith(reason), error.message);
  });
}

parse('accepts documents just within the bounds', () => {
  parsed(nested(64));
  parsed(`<a>${'<b/>'.repeat(19_999)}</a>`);
  parsed(`<${'a'.repeat(1000)}/>`);
  parsed(
    `<a>${Array.from({ length: 1000 }, (_, n) => `<b c${n}=""/>`)
      .join('')
      .repeat(2)}</a>`,
  );
  parsed(`<a ${Array.from({ length: 128 }, (_, n) => `a${n}=""`).join(' ')}><b/></a>`);
});

parse('rejects every fixture that is cut off', async () => {
  for (const { name, xml } of domainFixtures) {
    const end = xml.lastIndexOf('</domain>') + '</domain>'.length - 1;
    for (let length = 0; length < end; length += 97) {
      const error = await caught(() => parseXml(xml.subarray(0, length)));
      assert.is(error.code, 'INVALID_DOMAIN', name);
    }
  }
});

parse.run();

const named = suite('childrenNamed()');

named('returns only elements without a namespace', () => {
  const { root } = parsed(
    '<a><b n="1"/><b n="2" xmlns="urn:x"/><x:b n="3" xmlns:x="urn:x"/><c xmlns=""><b/></c><b n="4" xmlns=""/></a>',
  );
  assert.equal(
    childrenNamed(root, 'b').map(({ attributes }) => attributes['n']),
    ['1', '4'],
  );
});

named('a namespace is inherited until it is unset', () => {
  const { root } = parsed('<a xmlns="urn:x"><b/><c xmlns=""><b/></c></a>');
  assert.is(root.namespace, 'urn:x');
  assert.equal(childrenNamed(root, 'b'), []);
  assert.is(childrenNamed(root, 'c').flatMap((c) => childrenNamed(c, 'b')).length, 1);
});

named.run();
