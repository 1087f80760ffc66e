/**
 * Compares the sidecar's XML parser with libxml2, which libvirt uses: both accept and reject the
 * same documents and find the same elements in them, and the sidecar's reply equals its input for
 * libxml2, except for Tapwire's interface. FUZZ_SEED= and FUZZ_RUNS= choose other documents, and
 * more.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BindingError } from '../../shared/errors.ts';
import { type Element, parseXml } from '../../sidecar/xml/xml.ts';
import { newRandom, runsOf, seedOf } from '../helpers/fuzz.ts';
import { callDefineDomain } from '../helpers/sidecar/hook-api.ts';
import { GUARANTEED, withSmallSidecar } from '../helpers/sidecar/small-sidecar.ts';
import { mutate, randomDomain } from '../helpers/sidecar/xml-fuzz.ts';

const test = suite('XML compared with libxml2');

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

/** The sidecar's reason to reject a document; null if it accepts it. */
function refusal(xml: string): string | null {
  try {
    parseXml(Buffer.from(xml));
    return null;
  } catch (error) {
    if (error instanceof BindingError && error.code === 'INVALID_DOMAIN') return error.message;
    throw error;
  }
}

/**
 * Documents that libxml2 accepts and the sidecar rejects on purpose. Each kind has a test by name.
 */
const ON_PURPOSE =
  /document type declaration|want encoding|want XML version|more than \d+|malformed processing instruction/;

/**
 * The indices of the documents that libxml2 rejects. Namespaces do not matter for well-formedness.
 */
async function refusedByLibxml2(documents: readonly string[]): Promise<ReadonlySet<number>> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-xml-'));
  try {
    const refused = new Set<number>();
    for (const [index, xml] of documents.entries()) writeFileSync(join(directory, `${index}.xml`), xml);
    for (let first = 0; first < documents.length; first += FILES_AT_ONCE) {
      const last = Math.min(documents.length, first + FILES_AT_ONCE);
      const files = Array.from({ length: last - first }, (_, n) => `${first + n}.xml`);
      const { stderr } = await execa('xmllint', ['--noout', '--nonet', ...files], {
        cwd: directory,
        reject: false,
      });
      for (const [, index] of stderr.matchAll(/^(\d+)\.xml:\d+: parser error/gm)) refused.add(Number(index));
    }
    return refused;
  } finally {
    rmSync(directory, { recursive: true });
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

/**
 * Start tags of canonical XML, which one regular expression can read. Canonical XML omits redundant
 * namespace declarations.
 */
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

const readByUs = (xml: string): Seen[] => seenIn(parseXml(Buffer.from(xml)).root);

function seenIn({ name, attributes, children }: Element): Seen[] {
  const written = Object.entries(attributes).filter(([key]) => !isDeclaration(key));
  return [{ name, attributes: written.toSorted(byName) }, ...children.flatMap(seenIn)];
}

test(`both accept ${RUNS} well-formed documents of seed ${SEED}`, async () => {
  const theirs = await refusedByLibxml2(domains);
  domains.forEach((xml, index) => {
    assert.is(refusal(xml), null, `seed ${SEED}, document ${index}: ${JSON.stringify(xml)}`);
    assert.not(theirs.has(index), `seed ${SEED}, document ${index}: ${JSON.stringify(xml)}`);
  });
});

test('both find the same elements and attributes', async () => {
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

test(`both accept or reject each of ${RUNS} mutants`, async () => {
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

/** Tapwire's interface and the white space of its layout. */
const OURS = new RegExp(
  `\\s*<interface(?: [^>]*)?>(?:(?!</interface>)[\\s\\S])*?<alias name="${ALIAS}"></alias>(?:(?!</interface>)[\\s\\S])*?</interface>`,
);
const withoutOurs = (xml: string): string =>
  xml.replace(OURS, '').replace(/<devices>\s*<\/devices>/, '<devices></devices>');

/** The part of `text` between the longest start and the longest end that it shares with `other`. */
function changed(text: string, other: string): string {
  const shorter = Math.min(text.length, other.length);
  let start = 0;
  while (start < shorter && text[start] === other[start]) start += 1;
  let end = 0;
  while (end < shorter - start && text.at(-1 - end) === other.at(-1 - end)) end += 1;
  return text.slice(start, text.length - end);
}

test("the sidecar's reply is well-formed, and unchanged outside of Tapwire's interface", () =>
  withSmallSidecar({ ...GUARANTEED, cpu: 2000 }, 1, async ({ socket, vmi }) => {
    const answers: string[] = [];
    for (const xml of domains) answers.push(await callDefineDomain(socket, xml, vmi));
    assert.equal(await refusedByLibxml2(answers), new Set());
    const [before, after] = [await canonical(domains), await canonical(answers)];
    domains.forEach((xml, index) => {
      const why = `seed ${SEED}, document ${index}: ${JSON.stringify(xml)}\n${JSON.stringify(answers[index])}`;
      const answer = answers[index] ?? '';
      // Byte for byte: only an interface of Tapwire's, or the end of an empty <devices/>, is
      // missing from the document.
      const gone = changed(xml, answer);
      assert.ok(gone === '' || xml.includes(ALIAS) || /^\s*\/?>?$/.test(gone), why);
      assert.is(answer.match(new RegExp(`"${ALIAS}"`, 'g'))?.length, 1, why);
      assert.is(withoutOurs(after[index] ?? ''), withoutOurs(before[index] ?? ''), why);
    });
  }));

test.run();
