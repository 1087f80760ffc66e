import { printable } from '../../shared/printable.ts';
import type { Inspection } from './inspection.ts';
import { type Arrow, type Box, count, type Note, type Picture } from './parts.ts';
import { defectsOf, titleOf, toNames, toNotes, toPicture } from './picture.ts';

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

function drawAttachment({ left, right, toRight, toLeft, notes }: Picture, style: Style): string {
  const height = Math.max(left.lines.length, right.lines.length, 4);
  const [leftBox, rightBox] = [drawBox(left, height, style), drawBox(right, height, style)];
  const width = Math.max(toRight.label.length, toLeft.label.length, MIN_LABEL) + 2;
  const middle = ['', ...drawArrow(toRight, width, '▶', style), ...drawArrow(toLeft, width, '◀', style)];
  const rows = leftBox.map((row, i) => `${row} ${middle[i] ?? ' '.repeat(width)} ${rightBox[i]}`);
  rows[0] = `${leftBox[0]} ${' '.repeat(width)} ${rightBox[0]}`;
  return [...rows, '', ...notes.map((note) => drawNote(note, style))].join('\n');
}

/** Keeps short arrows visible. */
const MIN_LABEL = 11;

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
function drawArrow(
  { label, isMissing }: Arrow,
  width: number,
  head: '▶' | '◀',
  style: Style,
): readonly string[] {
  const text = ` ${label.padEnd(width - 1)}`;
  if (isMissing) return [style.bad(text), ' '.repeat(width)];
  const shaft = '─'.repeat(width - 1);
  return [text, head === '▶' ? `${shaft}▶` : `◀${shaft}`];
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
      inspection.attachments.map(toNames).join(', ') || (inspection.passt ? 'passt' : '-'),
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
