/**
 * The conformance table: requirements as data, each with its test or the reason why it has none,
 * and the document generated from them.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as assert from 'uvu/assert';

/** One requirement. */
export type Row = {
  readonly id: string;
  /** What is required, of any plugin. */
  readonly requires: string;
} & (Tested | Inapplicable);

interface Tested {
  /** What the test shows; its title. */
  readonly shows: string;
  readonly test: () => unknown;
  /** Runs in every way (way.ts), not only through the agent. */
  readonly everyWay?: true;
  /** Reason for a deviation from the requirement. The test shows what Tapwire does instead. */
  readonly differs?: string;
}

interface Inapplicable {
  /** Reason why a plugin of this kind can neither fulfil nor violate the requirement. */
  readonly inapplicable: string;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

export const DOCUMENT = resolve(import.meta.dirname, '../../../docs/conformance.md');

export const isTested = (row: Row): row is Row & Tested => 'test' in row;

export const titleOf = ({ id, shows }: Row & Tested): string => `${id}: ${shows}`;

/** The table as text. `passed` contains the titles of the tests that passed. */
export function renderTable(sections: readonly Section[], passed: ReadonlySet<string>): string {
  const rows = sections.flatMap(({ rows }) => rows);
  const tested = rows.filter(isTested);
  const inEveryWay = tested.filter(({ everyWay }) => everyWay);
  const differing = tested.filter(({ differs }) => differs !== undefined);
  const head = [
    '# Conformance',
    '',
    'What the CNI specification, its reference library and the tests of other plugins require of a plugin, and what Tapwire does.',
    `Of ${rows.length} requirements ${tested.length} are tested through the shim and the agent. The ${inEveryWay.length} that depend ` +
      'on how the plugin runs are also tested by the bundle alone and through the installed shim without an agent. ' +
      `In ${differing.length} requirements Tapwire does something else on purpose, and the row says why. ` +
      `${rows.length - tested.length} do not apply to it, and say why. A test is called by the row's id and what it shows.`,
    'What KubeVirt expects of a binding is in [kubevirt-conformance.md](kubevirt-conformance.md).',
    '',
    'This file is generated: `test/cni/conformance.test.ts` fails when it differs from what a test run finds.',
    'To regenerate it: `UPDATE_CONFORMANCE=1 node test/run.ts cni/conformance`.',
  ];
  return [...head, ...sections.flatMap((section) => renderSection(section, passed)), ''].join('\n');
}

function renderSection({ title, rows }: Section, passed: ReadonlySet<string>): readonly string[] {
  const lines = rows.map((row) => {
    const requirement = escapeCell(row.requires);
    if (!isTested(row))
      return `| ${row.id} | ${requirement} | does not apply: ${escapeCell(row.inapplicable)} | - |`;
    const differs = row.differs === undefined ? '' : `**Differs**: ${escapeCell(row.differs)}<br>`;
    const verdict = passed.has(titleOf(row)) ? (row.everyWay ? 'pass in every way' : 'pass') : '**FAIL**';
    return `| ${row.id} | ${requirement} | ${differs}${escapeCell(row.shows)} | ${verdict} |`;
  });
  return [
    '',
    `## ${title}`,
    '',
    '| id | requirement | Tapwire: why it differs, and what the test shows | result |',
    '| --- | --- | --- | --- |',
    ...lines,
  ];
}

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

/**
 * Writes the document if UPDATE_CONFORMANCE is set; otherwise fails unless the document in the tree
 * is up to date.
 */
export function settleDocument(text: string): void {
  if (process.env['UPDATE_CONFORMANCE'] === '1') {
    writeFileSync(DOCUMENT, text);
    return;
  }
  const committed = existsSync(DOCUMENT) ? readFileSync(DOCUMENT, 'utf8') : '';
  assert.is(committed, text, `${DOCUMENT} is what this run finds; UPDATE_CONFORMANCE=1 writes it`);
}
