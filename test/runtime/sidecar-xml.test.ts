/**
 * The sidecar's XML beside libxml2, which is what libvirt reads with: both accept and refuse the same documents, see the same in them, and
 * what the sidecar hands back is to libxml2 what it was, but for our interface. FUZZ_SEED= and FUZZ_RUNS= choose other documents, and more.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BindingError } from '../../shared/errors.ts';
import { parseXml } from '../../sidecar/xml/xml.ts';
import { scanTags } from '../../sidecar/xml-scanner.ts';
import { newRandom, runsOf, seedOf } from '../helpers/fuzz.ts';
import { callDefineDomain } from '../helpers/hook-api.ts';
import { GUARANTEED, withSmallSidecar } from '../helpers/small-sidecar.ts';
import { mutate, randomDomain } from '../helpers/xml-fuzz.ts';

const test = suite('XML beside libxml2');

const SEED = seedOf(20_261_121);
const RUNS = runsOf(1500);
const ALIAS = 'ua-net0';
const FILES_AT_ONCE = 500;

const random = newRandom(SEED);
const domains = Array.from({ length: RUNS }, () => randomDomain(random, ALIAS));
const mutants = domains.map((xml) => {
  let mutant = mutate(random, xml);
  while (random.oneIn(4)) mutant = mutate(random, mutant);
  return mutant;
});

/** Why we refuse a document; null where we do not. */
function refusal(xml: string): string | null {
  try {
    parseXml(Buffer.from(xml));
    return null;
  } catch (error) {
    if (error instanceof BindingError && error.code === 'INVALID_DOMAIN') return error.message;
    throw error;
  }
}

/** What libxml2 would accept, and we do not on purpose: each has a test by name. */
const ON_PURPOSE =
  /document type declaration|want encoding|want XML version|more than \d+|malformed processing instruction/;

/** The indices of the documents that libxml2 refuses. Namespaces are no matter of well-formedness. */
async function refusedByLibxml2(documents: readonly string[]): Promise<ReadonlySet<number>> {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-xml-'));
  try {
    const refused = new Set<number>();
    for (const [index, xml] of documents.entries()) writeFileSync(join(folder, `${index}.xml`), xml);
    for (let first = 0; first < documents.length; first += FILES_AT_ONCE) {
      const last = Math.min(documents.length, first + FILES_AT_ONCE);
      const files = Array.from({ length: last - first }, (_, n) => `${first + n}.xml`);
      const { stderr } = await execa('xmllint', ['--noout', '--nonet', ...files], {
        cwd: folder,
        reject: false,
      });
      for (const [, index] of stderr.matchAll(/^(\d+)\.xml:\d+: parser error/gm)) refused.add(Number(index));
    }
    return refused;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Each document's root element as libxml2 writes it canonically, by one process for all. */
async function canonical(documents: readonly string[]): Promise<string[]> {
  const roots = documents.map((xml) => {
    const { text, root } = parseXml(Buffer.from(xml));
    return text.slice(root.start, root.end);
  });
  const whole = `<all>${roots.map((root) => `<one>${root}</one>`).join('')}</all>`;
  const { stdout } = await execa('xmllint', ['--c14n', '--huge', '-'], {
    input: whole,
    maxBuffer: 1 << 30,
    stripFinalNewline: false,
  });
  return stdout.slice('<all><one>'.length, stdout.lastIndexOf('</one>')).split('</one><one>');
}

interface Seen {
  readonly name: string;
  readonly attributes: readonly (readonly [string, string])[];
}

const isDeclaration = (name: string) => name === 'xmlns' || name.startsWith('xmlns:');
const byName = (one: readonly [string, string], other: readonly [string, string]) =>
  one[0] < other[0] ? -1 : 1;

/** Start tags of canonical XML, of which a reader needs one expression. Canonical XML leaves namespace declarations out that say nothing new. */
function readCanonical(xml: string): Seen[] {
  const UNESCAPED: Record<string, string> = {
    '&amp;': '&',
    '&lt;': '<',
    '&quot;': '"',
    '&#x9;': '\t',
    '&#xA;': '\n',
    '&#xD;': '\r',
  };
  return [...xml.matchAll(/<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<([^\s<>/!?]+)((?: [^\s=]+="[^"]*")*)>/g)]
    .filter(([, name]) => name !== undefined)
    .map(([, name = '', written = '']) => ({
      name,
      attributes: [...written.matchAll(/ ([^\s=]+)="([^"]*)"/g)]
        .map(
          ([, key = '', value = '']) =>
            [key, value.replace(/&[^;]+;/g, (one) => UNESCAPED[one] ?? one)] as const,
        )
        .filter(([key]) => !isDeclaration(key))
        .toSorted(byName),
    }));
}

const readByUs = (xml: string): Seen[] =>
  [...scanTags(xml)]
    .filter(({ kind }) => kind !== 'end')
    .map(({ name, attributes }) => ({
      name,
      attributes: Object.entries(attributes)
        .filter(([key]) => !isDeclaration(key))
        .toSorted(byName),
    }));

test(`${RUNS} well-formed documents of seed ${SEED}: accepted by both`, async () => {
  const theirs = await refusedByLibxml2(domains);
  domains.forEach((xml, index) => {
    assert.is(refusal(xml), null, `seed ${SEED}, document ${index}: ${JSON.stringify(xml)}`);
    assert.not(theirs.has(index), `seed ${SEED}, document ${index}: ${JSON.stringify(xml)}`);
  });
});

test('their elements and attributes are the same to both', async () => {
  const theirs = await canonical(domains);
  assert.is(theirs.length, domains.length);
  let elements = 0;
  domains.forEach((xml, index) => {
    const seen = readByUs(xml);
    elements += seen.length;
    assert.equal(
      seen,
      readCanonical(theirs[index] ?? ''),
      `seed ${SEED}, document ${index}: ${JSON.stringify(xml)}`,
    );
  });
  assert.ok(elements > RUNS * 5, `${elements} elements`);
});

test(`${RUNS} mutants: accepted and refused by both`, async () => {
  const theirs = await refusedByLibxml2(mutants);
  const tally = { accepted: 0, refused: 0, onPurpose: 0 };
  mutants.forEach((xml, index) => {
    const ours = refusal(xml);
    if (ours !== null && !theirs.has(index) && ON_PURPOSE.test(ours)) {
      tally.onPurpose += 1;
      return;
    }
    tally[ours === null ? 'accepted' : 'refused'] += 1;
    const why = `seed ${SEED}, mutant ${index}: ours ${ours ?? 'accepted'}; ${JSON.stringify(xml)}`;
    assert.is(ours !== null, theirs.has(index), why);
  });
  console.log(`\n@ mutants of FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}: ${JSON.stringify(tally)}`);
  assert.ok(tally.accepted > RUNS / 20 && tally.refused > RUNS / 3);
  assert.ok(tally.onPurpose < RUNS / 20);
});

/** Ours, and the white space that it is laid out with. */
const OURS = new RegExp(
  `\\s*<interface(?: [^>]*)?>(?:(?!</interface>)[\\s\\S])*?<alias name="${ALIAS}"></alias>(?:(?!</interface>)[\\s\\S])*?</interface>`,
);
const withoutOurs = (xml: string): string =>
  xml.replace(OURS, '').replace(/<devices>\s*<\/devices>/, '<devices></devices>');

/** What stands in `text` between the longest start and the longest end that it shares with `other`. */
function changed(text: string, other: string): string {
  const shorter = Math.min(text.length, other.length);
  let start = 0;
  while (start < shorter && text[start] === other[start]) start += 1;
  let end = 0;
  while (end < shorter - start && text.at(-1 - end) === other.at(-1 - end)) end += 1;
  return text.slice(start, text.length - end);
}

test('what the sidecar hands back is well-formed, and outside our interface what it was', () =>
  withSmallSidecar({ ...GUARANTEED, cpu: 2000 }, 1, async ({ socket, vmi }) => {
    const answers: string[] = [];
    for (const xml of domains) answers.push(await callDefineDomain(socket, xml, vmi));
    assert.equal(await refusedByLibxml2(answers), new Set());
    const [before, after] = [await canonical(domains), await canonical(answers)];
    domains.forEach((xml, index) => {
      const why = `seed ${SEED}, document ${index}: ${JSON.stringify(xml)}\n${JSON.stringify(answers[index])}`;
      const answer = answers[index] ?? '';
      // Byte for byte: nothing of the document is gone but an interface of ours, or the end of an empty <devices/>.
      const gone = changed(xml, answer);
      assert.ok(gone === '' || xml.includes(ALIAS) || /^\s*\/?>?$/.test(gone), why);
      assert.is(answer.match(new RegExp(`"${ALIAS}"`, 'g'))?.length, 1, why);
      assert.is(withoutOurs(after[index] ?? ''), withoutOurs(before[index] ?? ''), why);
    });
  }));

test.run();
