/**
 * `tapwire inspect --svg` is well-formed XML for libxml2, whatever the links of a pod are called.
 * FUZZ_SEED= and FUZZ_RUNS= choose other names, and more.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inspection, TapAttachment } from '../../cli/inspect/inspection.ts';
import { drawSvg } from '../../cli/inspect/svg.ts';
import { newRandom, type Random, runsOf, seedOf } from '../helpers/fuzz.ts';

const test = suite('tapwire inspect --svg, read by libxml2');

const SEED = seedOf(20_261_129);
const RUNS = runsOf(3000);

const attachmentOf = (name: string): TapAttachment => ({
  containerId: name,
  ifname: name,
  binding: 'tap',
  podLink: { name, kind: name, mac: '', mtu: 1, isUp: true, hasCarrier: true, addresses: [name] },
  tap: {
    name,
    mac: '',
    mtu: 1,
    isUp: true,
    owner: 1,
    group: 1,
    multiQueue: false,
    persistent: true,
    holders: [{ pid: 1, program: name, queues: 1 }],
  },
  toTap: null,
  toPodLink: null,
  filters: [{ link: name, filter: name, verdict: 'unknown' }],
  silence: null,
  passage: null,
  defects: [name],
});

/** A netns in which every text is one of these names. */
const inspectionOf = (names: readonly string[]): Inspection => ({
  netns: names[0] ?? '',
  pod: names.at(-1) ?? '',
  attachments: names.map(attachmentOf),
  strays: names,
  sysctls: null,
  passt: null,
});

/** Returns what libxml2 says about a document; empty if it is well-formed. */
async function complaintsOf(svg: string): Promise<string> {
  const { stderr, exitCode } = await execa('xmllint', ['--noout', '--nonet', '--huge', '-'], {
    input: Buffer.from(svg),
    reject: false,
  });
  return exitCode === 0 ? stderr : `exit status ${exitCode}: ${stderr}`;
}

/** How Tapwire reads the bytes that the kernel sends as a link's name. */
const decoded = (...bytes: readonly number[]): string => Buffer.from(bytes).toString();

const NAMES: readonly (readonly [why: string, name: string])[] = [
  ['noncharacters', 'a\ufffe\uffff\ufdd0'],
  ['noncharacters of another plane', '\u{1fffe}\u{10ffff}'],
  ['the bytes of U+FFFE', decoded(0xef, 0xbf, 0xbe)],
  ['a lone high surrogate', 'a\ud800b'],
  ['a lone low surrogate', '\udfff'],
  ['the bytes of a surrogate', decoded(0xed, 0xa0, 0x80)],
  ['bytes that are not UTF-8', decoded(0xff, 0xfe, 0xc0, 0x80, 0xf5)],
  ['a truncated character', decoded(0x61, 0xf0, 0x9f, 0xa6)],
  ['NUL', '\0'],
  ['C0', Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('')],
  ['DEL and C1', Array.from({ length: 33 }, (_, code) => String.fromCharCode(0x7f + code)).join('')],
  ['the end of CDATA', ']]>'],
  ['CDATA', '<![CDATA['],
  ['entities', '&lt;&amp;&#0;&#xFFFE;&nbsp;&'],
  ['markup', '</text></svg><script>'],
  ['a comment', '<!-- -- -->'],
  ['a processing instruction', '<?xml version="1.0"?>'],
  ['a document type', '<!DOCTYPE svg [<!ENTITY a "b">]>'],
  ['quotes', `"'`],
  ['a byte order mark', '\ufeff'],
  ['right-to-left', '\u202e\u2066'],
  ['line separators', '\u2028\u2029\x85'],
  ['astral characters', '🦊\u{e0001}'],
  ['the empty name', ''],
];

for (const [why, name] of NAMES) {
  test(`is well-formed for a link whose name is ${why}`, async () => {
    assert.is(await complaintsOf(drawSvg(inspectionOf([name]))), '');
  });
}

/** A name of up to 15 bytes, as the kernel has them, or of up to 15 UTF-16 units. */
function randomName(random: Random): string {
  const length = 1 + random.below(15);
  if (random.oneIn(2)) return random.bytes(length).toString();
  const units = Array.from({ length }, () =>
    random.oneIn(3) ? random.pick([0xd800, 0xdbff, 0xdc00, 0xdfff, 0xfffe, 0xffff]) : random.below(0x10000),
  );
  const text = String.fromCharCode(...units);
  return random.oneIn(4) ? `${text}${random.pick(NAMES)[1]}` : text;
}

test(`is well-formed for ${RUNS} random names (seed ${SEED})`, async () => {
  const random = newRandom(SEED);
  const names = Array.from({ length: RUNS }, () => randomName(random));
  assert.is(await complaintsOf(drawSvg(inspectionOf(names))), '');
});

test.run();
