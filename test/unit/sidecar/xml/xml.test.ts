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

const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
const ENTITIES = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]>';

for (const [why, input, reason] of [
  ['nothing', '', '1:1: Root element is missing or invalid'],
  ['white space', ' \n ', '2:2: Root element is missing or invalid'],
  ['no markup', 'hello', '1:1: Root element is missing or invalid'],
  ['JSON', '{"a": "<b/>"}', '1:1: Root element is missing or invalid'],
  ['a tag that is not closed', '<a><b></a>', '1:7: Missing end tag for element b'],
  ['an end in the middle', '<a>\n<b', '2:3: Unclosed start tag for element `b`'],
  ['an end before the last tag', '<a><b/>', '1:8: Missing end tag for element a'],
  ['an end tag alone', '</a>', '1:1: Root element is missing or invalid'],
  ['an end tag with an attribute', '<a></a b="1">', '1:8: Unclosed end tag for element a'],
  ['an end tag that is empty', '<a></a/>', '1:7: Unclosed end tag for element a'],
  ['a tag without a name', '<a>< b/></a>', '1:4: Missing end tag for element a'],
  ['a name that begins with a digit', '<a><1/></a>', '1:4: Missing end tag for element a'],
  ['a name that begins with a combining character', '<a><\u0300/></a>', '1:4: Missing end tag for element a'],
  [
    'a name with a character that names do not have',
    '<a><b\u00d7/></a>',
    '1:6: Unclosed start tag for element `b`',
  ],
  ['two roots', '<a/><b/>', 'Extra content at the end of the document'],
  ['text after the root', '<a/>x', 'Extra content at the end of the document'],
  ['a reference after the root', '<a/>&amp;', 'Extra content at the end of the document'],
  ['CDATA after the root', '<a/><![CDATA[]]>', 'Extra content at the end of the document'],
  ['an attribute twice', '<a b="1" b="2"/>', 'Duplicate attribute: b'],
  ['an attribute without quotes', '<a b=1/>', '1:6: Attribute value expected'],
  ['an attribute without a value', '<a b/>', '1:5: Attribute value expected'],
  ['an attribute whose value has no end', '<a b="/>', '1:7: Unclosed attribute'],
  ['attributes without space between', '<a b="1"c="2"/>', '1:9: Unclosed start tag for element `a`'],
  ['"<" in a value', '<a b="<"/>', '1:7: Unescaped `<` is not allowed in an attribute value'],
  ['an undefined entity in a value', '<a b="&c;"/>', "1:7: Named entity isn't defined: &c;"],
  ['an entity nobody declared', '<a>&nbsp;</a>', "1:4: Named entity isn't defined: &nbsp;"],
  ['"&" alone', '<a>&</a>', 'Unterminated reference (a reference must end with `;`)'],
  ['a reference without ";"', '<a>&amp</a>', 'Unterminated reference (a reference must end with `;`)'],
  ['"]]>" in text', '<a>]]></a>', '1:4: Missing end tag for element a'],
  ['a control character', '<a>\u0001</a>', '1:4: a character that is not allowed in XML'],
  ['no character', '<a>\uffff</a>', 'a character that is not allowed in XML'],
  ['a reference to NUL', '<a>&#0;</a>', 'Character reference resolves to an invalid character'],
  ['a reference to half a pair', '<a>&#xD800;</a>', 'Character reference resolves to an invalid character'],
  ['a reference beyond Unicode', '<a>&#x110000;</a>', 'Character reference resolves to an invalid character'],
  ['a reference with "X"', '<a>&#X41;</a>', 'Invalid character reference'],
  ['"--" in a comment', '<a><!-- -- --></a>', "1:9: The string `--` isn't allowed inside a comment"],
  ['"-" at the end of a comment', '<a><!-- ---></a>', "1:9: The string `--` isn't allowed inside a comment"],
  ['a comment without an end', '<a><!-- </a>', '1:8: Unclosed comment'],
  ['CDATA without an end', '<a><![CDATA[ ]]</a>', 'Unclosed CDATA section'],
  ['an instruction without an end', '<a><?p </a>', 'Unterminated processing instruction'],
  ['an instruction without a name', '<a><? p?></a>', 'Invalid processing instruction'],
  ['an instruction of the name "XML"', '<a><?XML p?></a>', "1:4: XML declaration isn't allowed here"],
  ['a late declaration', ' <?xml version="1.0"?><a/>', "1:2: XML declaration isn't allowed here"],
  ['another declaration', '<a><!ELEMENT a ANY></a>', '1:4: Missing end tag for element a'],
  ['a declaration without version', '<?xml encoding="UTF-8"?><a/>', 'XML version is missing or invalid'],
  [
    'a declaration with an empty encoding',
    '<?xml version="1.0" encoding=""?><a/>',
    'a malformed XML declaration',
  ],
  [
    'a declaration with "encoding" alone',
    '<?xml version="1.0" encoding?><a/>',
    'a malformed XML declaration',
  ],
  [
    'a declaration with "standalone" alone',
    '<?xml version="1.0" standalone?><a/>',
    'a malformed XML declaration',
  ],
  [
    'a declaration with "standalone="',
    '<?xml version="1.0" standalone=?><a/>',
    'a malformed XML declaration',
  ],
  [
    'a declaration without space between',
    '<?xml version="1.0" encoding="UTF-8"standalone="no"?><a/>',
    'a malformed XML declaration',
  ],
  ['a document type', '<!DOCTYPE a><a/>', 'a document type declaration is not accepted'],
  ['an entity bomb', `${ENTITIES}<a>&y;</a>`, "Named entity isn't defined: &y;"],
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
  ['UTF-16 without mark', Buffer.from('<a/>', 'utf16le'), '1:2: a character that is not allowed in XML'],
  ['half a surrogate pair', Buffer.from('3c613eeda0803c2f613e', 'hex'), 'it is not UTF-8'],
  ['65 levels', nested(65), 'elements are nested more than 64 deep'],
  ['a million levels', '<a>'.repeat(300_000), 'it has more than 20000 elements, comments and instructions'],
  [
    '20,001 elements',
    `<a>${'<b/>'.repeat(20_000)}</a>`,
    '1:80000: it has more than 20000 elements, comments and instructions',
  ],
  [
    '20,001 comments',
    `<a>${'<!---->'.repeat(20_000)}</a>`,
    'it has more than 20000 elements, comments and instructions',
  ],
  ['30,001 attributes', `<a>${' = '.repeat(30_001)}</a>`, '1:90005: it has more than 30000 attributes'],
  ['20,001 references', `<a>\n${'&lt;'.repeat(20_001)}</a>`, '2:80001: it has more than 20000 references'],
  ['100,001 line breaks', `<a>${'\n'.repeat(100_001)}</a>`, '100001:1: it has more than 100000 line breaks'],
  [
    'a line of 262,145 characters',
    `<a>\n${'>'.repeat(262_145)}\n</a>`,
    '2:1: it has a line of more than 262144 characters',
  ],
  [
    'a last line of 262,145 characters',
    `<a>\n${'>'.repeat(262_141)}</a>`,
    '2:1: it has a line of more than 262144 characters',
  ],
  [
    'names that differ in a character beyond 16 bits',
    '<a><b🧭>x</b🔌></a>',
    '1:10: Missing end tag for element b🧭',
  ],
  [
    'a name with a character of a private plane',
    '<a><b\u{f0000}/></a>',
    '1:6: Unclosed start tag for element `b`',
  ],
  ['an error after characters beyond 16 bits', '<a>🧭🧭\n🧭<b></a>', '2:6: Missing end tag for element b'],
  ['more than 1 MiB', `<a>${' '.repeat(1024 * 1024)}</a>`, 'it has 1048583 bytes, more than 1048576'],
] as const) {
  parse(`refuses ${why}`, async () => {
    const error = await caught(() => parseXml(Buffer.from(input as string)));
    assert.is(error.code, 'INVALID_DOMAIN');
    assert.ok(error.message.startsWith('Cannot read domain XML: '), error.message);
    assert.ok(error.message.endsWith(reason), error.message);
  });
}

parse('values: CRLF becomes one space, as do a tab and a carriage return', () => {
  const { text, root } = parsed('<a\r\nb="1\r\n2\t3\r4&#13;"\r\n><c d="\r\n\r\n"/></a>\r\n');
  assert.is(root.attributes['b'], '1 2 3 4\r');
  assert.is(root.children[0]?.attributes['d'], '  ');
  assert.is(text.slice(root.contentStart, root.contentEnd), '<c d="\r\n\r\n"/>');
});

parse('values: characters beyond 16 bits are kept', () => {
  const { root } = parsed('<a b="🧭\t🧭" c="&#x1F9ED;"><d🧭 e🧭="\r\n𝕏"></d🧭></a>');
  assert.equal({ ...root.attributes }, { b: '🧭 🧭', c: '🧭' });
  assert.is(root.children[0]?.name, 'd🧭');
  assert.equal({ ...root.children[0]?.attributes }, { 'e🧭': ' 𝕏' });
});

parse('accepts documents just within the bounds', () => {
  parsed(nested(64));
  parsed(`<a>${'<b/>'.repeat(19_999)}</a>`);
  parsed(`<a b="${'&lt;'.repeat(20_000)}"/>`);
  parsed(`<a>${'='.repeat(30_000)}${'\n'.repeat(100_000)}</a>`);
  parsed(`<a>\n${'>'.repeat(262_144)}\n${'>'.repeat(262_140)}</a>`);
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
