/**
 * Seeded random domains: well-formed ones with everything that XML has without a DTD, and mutations
 * of them.
 */
import type { Random } from '../fuzz.ts';

const NAMES = [
  'a',
  'interface',
  'alias',
  'x-1',
  '_',
  'b.c',
  'é',
  '名',
  'q:name',
  'qemu:arg',
  'Z9',
  'devices',
  'a·b',
] as const;
const ATTRIBUTE_NAMES = [
  'name',
  'type',
  'x',
  'é',
  'q:b',
  '__proto__',
  'xml:lang',
  'constructor',
  'b.c-d_e',
] as const;
const PIECES = [
  ...[
    'text',
    ' ',
    '\n\t',
    '\r\n',
    '\r',
    'é',
    '🧭',
    '名前',
    '>',
    '"',
    "'",
    ']]',
    ']',
    '-',
    '=',
    '/',
    '?>',
    '-->',
    '\u00a0',
    '\ufffd',
  ],
  ...['&lt;', '&gt;', '&amp;', '&apos;', '&quot;', '&#65;', '&#x1F9ED;', '&#xA;', '&#9;', '&#13;', '&#32;'],
] as const;
const URIS = ['', 'urn:x', 'http://libvirt.org/schemas/domain/qemu/1.0'] as const;
/**
 * The root declares the namespaces that random names use, because a document may be well-formed
 * with undeclared ones, which libxml2 handles differently.
 */
const ROOT = 'xmlns:q="urn:q" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"';
const MAX_DEPTH = 5;

const several = (random: Random, most: number, one: () => string): string =>
  Array.from({ length: random.below(most + 1) }, one).join('');

const space = (random: Random): string => random.pick(['', '', ' ', '\n', '\r\n\t']);

/** Text of `PIECES` without the characters that its place does not allow. */
function text(random: Random, forbidden: RegExp): string {
  return several(random, 5, () => random.pick(PIECES)).replace(forbidden, '.');
}

function attributes(random: Random): string {
  const names = new Set(Array.from({ length: random.below(4) }, () => random.pick(ATTRIBUTE_NAMES)));
  const written = [...names].map((name) => {
    const quote = random.pick(['"', "'"]);
    const value = text(random, quote === '"' ? /"/g : /'/g);
    return `${random.pick([' ', '\n\t', '  '])}${name}${space(random)}=${space(random)}${quote}${value}${quote}`;
  });
  if (random.oneIn(8)) written.push(` xmlns="${random.pick(URIS)}"`);
  return written.join('');
}

function content(random: Random, depth: number): string {
  return several(random, 4, () => {
    switch (random.below(depth > 0 ? 7 : 4)) {
      case 0:
        return `<!--${text(random, /-/g)}-->`;
      case 1:
        return `<![CDATA[${text(random, /\]/g)}<a>&b;]]>`;
      case 2:
        return `<?${random.pick(['p', 'xml-x', 'é'])} ${text(random, /\?/g)}?>`;
      case 3:
        return text(random, /\]/g);
      default:
        return element(random, random.pick(NAMES), depth - 1);
    }
  });
}

function element(random: Random, name: string, depth: number): string {
  const start = `<${name}${attributes(random)}${space(random)}`;
  return random.oneIn(3) ? `${start}/>` : `${start}>${content(random, depth)}</${name}${space(random)}>`;
}

/** Without nested interfaces, because the test finds the interface's end by the first end tag. */
function someInterface(random: Random, alias: string): string {
  const [before, after] = [content(random, 2), content(random, 1)].map((one) =>
    one.replaceAll('interface', 'face'),
  );
  return `<interface type="ethernet">${before}<alias name="${alias}"/>${after}</interface>`;
}

function misc(random: Random): string {
  return several(random, 2, () => random.pick(['\n', '<!-- x -->', '<?p q?>', ' ', '\r\n']));
}

/** A well-formed domain in which the sidecar finds, or misses, the interface of this alias. */
export function randomDomain(random: Random, alias: string): string {
  const declaration = random.pick([
    '',
    '',
    '<?xml version="1.0"?>',
    "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
  ]);
  const interfaces = several(random, 2, () => someInterface(random, `ua-other${random.below(9)}`));
  const ours = random.oneIn(2) ? someInterface(random, alias) : '';
  const devices = random.oneIn(8)
    ? `<devices${space(random)}/>`
    : `<devices>${harmless(content(random, 3), alias)}${interfaces}${ours}${space(random)}</devices>`;
  const around = () => harmless(content(random, MAX_DEPTH), alias).replaceAll('devices', 'device');
  return `${random.pick(['', '', '\ufeff'])}${declaration}${misc(random)}<domain ${ROOT} type="kvm">${around()}${devices}${around()}</domain>${misc(random)}`;
}

/** Without what would make a domain ambiguous. */
const harmless = (markup: string, alias: string): string => markup.replaceAll(alias, 'ua-x');

const INSERTED = [
  '<',
  '>',
  '&',
  '"',
  "'",
  ']]>',
  '--',
  '?',
  '!',
  '/',
  '=',
  ' ',
  '\u0001',
  '\ufffe',
  '<a',
  '</',
  '&#0;',
  '&x;',
  '<?',
  '<!',
  ':',
  '1',
  '<?xml version="1.0"?>',
  'é',
  '\u0300',
] as const;

/** Not always malformed. */
export function mutate(random: Random, xml: string): string {
  const at = random.below(xml.length);
  const end = Math.min(xml.length, at + 1 + random.below(6));
  switch (random.below(6)) {
    case 0:
      return xml.slice(0, at) + xml.slice(end);
    case 1:
      return xml.slice(0, at) + random.pick(INSERTED) + xml.slice(at);
    case 2:
      return xml.slice(0, at) + random.pick(INSERTED) + xml.slice(end);
    case 3:
      return xml.slice(0, end) + xml.slice(at);
    case 4: // an attribute twice
      return xml.slice(0, at) + xml.slice(at).replace(/ [\w:]+=(?:"[^"]*"|'[^']*')/, '$&$&');
    default:
      return xml.slice(0, at);
  }
}
