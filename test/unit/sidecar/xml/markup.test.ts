import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lengthOf, write } from '../../../../sidecar/xml/markup.ts';
import { parseXml } from '../../../../sidecar/xml/xml.ts';
import { caught } from '../../../helpers/caught.ts';

const markup = suite('write()');

const tree = {
  name: 'a',
  attributes: { b: '1', c: '' },
  children: [
    { name: 'd', attributes: {} },
    { name: 'e', attributes: {}, children: [{ name: 'f', attributes: {} }] },
  ],
};

markup('writes an element on one line', () => {
  assert.is(write(tree, null, ''), '<a b="1" c=""><d></d><e><f></f></e></a>');
});

markup('lengthOf() returns the length of what is written on one line', () => {
  const copied = parseXml(Buffer.from('<x><y a="&#65;"/></x>'));
  for (const element of [
    tree,
    { name: 'a', attributes: { value: `<>&"' \t\n\r é🧭 ]]>`, other: '' } },
    { name: 'n', attributes: {}, children: [...copied.root.children, tree] },
  ]) {
    assert.is(lengthOf(element), write(element, null, copied.text).length);
  }
});

markup('escapes a value completely that is longer than one step of escaping', () => {
  const value = `${'x"'.repeat(20_000)}🧭`;
  const written = write({ name: 'a', attributes: { value } }, null, '');
  assert.is(written, `<a value="${'x&#34;'.repeat(20_000)}🧭"></a>`);
});

markup('writes an element on several lines', () => {
  const layout = { lineBreak: '\r\n  ', unit: ' ' };
  assert.is(
    write(tree, layout, ''),
    '<a b="1" c="">\r\n   <d></d>\r\n   <e>\r\n    <f></f>\r\n   </e>\r\n  </a>',
  );
});

markup('copies elements of the document unchanged', () => {
  const { text, root } = parseXml(Buffer.from("<x><y a = '&#65;'\n><!-- z --></y></x>"));
  assert.is(
    write({ name: 'n', attributes: {}, children: root.children }, null, text),
    "<n><y a = '&#65;'\n><!-- z --></y></n>",
  );
});

markup('escapes values so that a parser reads what was written', () => {
  const value = `<>&"' \t\n\r é🧭 ]]>`;
  const written = write({ name: 'a', attributes: { value } }, null, '');
  assert.is(written, '<a value="&lt;&gt;&amp;&#34;&#39; &#x9;&#xA;&#xD; é🧭 ]]&gt;"></a>');
  assert.is(parseXml(Buffer.from(written)).root.attributes['value'], value);
});

for (const character of ['\u0000', '\u001b', '\ufffe', '\ud800', '\udc00x']) {
  markup(`refuses ${JSON.stringify(character)}`, async () => {
    const { code } = await caught(() => write({ name: 'a', attributes: { b: `x${character}` } }, null, ''));
    assert.is(code, 'INVALID_VMI');
  });
}

markup.run();
