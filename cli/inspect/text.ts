import { printable } from '../../shared/printable.ts';
import type { Attachment, Inspection } from './inspection.ts';
import {
  type Box,
  count,
  defectsOf,
  type Note,
  type Picture,
  titleOf,
  toNotes,
  toPicture,
} from './picture.ts';

/** Functions that colour text for a terminal, or return it unchanged. */
export interface Style {
  name(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

const coloured = (code: number) => (text: string) => `\x1b[${code}m${text}\x1b[0m`;
const same = (text: string): string => text;
export const COLOURS: Style = { name: coloured(1), good: coloured(32), bad: coloured(31) };
export const PLAIN: Style = { name: same, good: same, bad: same };

/** Draws a netns with box-drawing characters. Pure. */
export function drawText(inspection: Inspection, style: Style): string {
  const attachments = inspection.attachments.map(
    (attachment) => `${drawAttachment(toPicture(attachment), style)}\n\n`,
  );
  const notes = toNotes(inspection).map((note) => `${drawNote(note, style)}\n`);
  return `${style.name(titleOf(inspection))}\n\n${attachments.join('')}${notes.join('')}`;
}

function drawAttachment({ podLink, tap, toTap, toPodLink, notes }: Picture, style: Style): string {
  const height = Math.max(podLink.lines.length, tap.lines.length, 4);
  const [left, right] = [drawBox(podLink, height, style), drawBox(tap, height, style)];
  const width = Math.max(...[toTap, toPodLink].map((text) => text?.length ?? 0), 'no redirect'.length) + 2;
  const middle = ['', ...drawArrow(toTap, width, '▶', style), ...drawArrow(toPodLink, width, '◀', style)];
  const rows = left.map((row, i) => `${row} ${middle[i] ?? ' '.repeat(width)} ${right[i]}`);
  rows[0] = `${left[0]} ${' '.repeat(width)} ${right[0]}`;
  return [...rows, '', ...notes.map((note) => drawNote(note, style))].join('\n');
}

function drawBox({ title, lines }: Box, height: number, style: Style): readonly string[] {
  const width = Math.max(title.length + 2, ...lines.map(({ length }) => length)) + 2;
  const body = Array.from({ length: height }, (_, i) => `│ ${(lines[i] ?? '').padEnd(width - 2)} │`);
  return [
    `┌─ ${style.name(title)} ${'─'.repeat(width - title.length - 3)}┐`,
    ...body,
    `└${'─'.repeat(width)}┘`,
  ];
}

/** Draws an arrow in two rows: the label, then the shaft. */
function drawArrow(text: string | null, width: number, head: '▶' | '◀', style: Style): readonly string[] {
  if (text === null) return [style.bad(` ${'no redirect'.padEnd(width - 1)}`), ' '.repeat(width)];
  const shaft = '─'.repeat(width - 1);
  return [` ${text.padEnd(width - 1)}`, head === '▶' ? `${shaft}▶` : `◀${shaft}`];
}

function drawNote({ about, text, isGood }: Note, { good, bad }: Style): string {
  const colour = isGood === null ? same : isGood ? good : bad;
  return `  ${about.padEnd(9)}  ${colour(text)}`;
}

/** Prints one line for each netns, under a header. Pure. */
export function listText(inspections: readonly Inspection[], style: Style): string {
  const rows = inspections.map((inspection) => ({
    netns: printable(inspection.netns),
    pod: printable(inspection.pod ?? '-'),
    attachments: printable(
      inspection.attachments.map(attachmentText).join(', ') || (inspection.passt ? 'passt' : '-'),
    ),
    state: stateText(defectsOf(inspection).length, style),
  }));
  const head = { netns: 'NETNS', pod: 'POD', attachments: 'WIRED', state: 'STATE' };
  const width = (key: keyof typeof head) => Math.max(...[head, ...rows].map((row) => row[key].length));
  const [netns, pod, attachments] = [width('netns'), width('pod'), width('attachments')];
  return [head, ...rows]
    .map(
      (row) =>
        `${row.netns.padEnd(netns)}  ${row.pod.padEnd(pod)}  ${row.attachments.padEnd(attachments)}  ${row.state}\n`,
    )
    .join('');
}

const stateText = (defects: number, { good, bad }: Style): string =>
  defects === 0 ? good('ok') : bad(count(defects, 'defect'));

function attachmentText({ podLink, tap }: Attachment): string {
  const holders = tap.holders.map(({ program, pid }) => ` ${program}:${pid}`).join('');
  return `${podLink?.name ?? 'gone'} <-> ${tap.name}${holders}`;
}
