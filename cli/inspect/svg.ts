import { printable } from '../../shared/printable.ts';
import type { Inspection } from './inspection.ts';
import type { Arrow, Box, Note, Picture } from './parts.ts';
import { titleOf, toNotes, toPicture } from './picture.ts';

/** Width of a character in pixels: a little more than that of the widest font named below. */
const CHARACTER = 8;
const LINE = 18;
const MARGIN = 20;
const PADDING = 10;
const [INK, GREY, GOOD, BAD] = ['#1f2933', '#7b8794', '#18794e', '#c62a2f'];

interface Drawing {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

/** Draws a netns as a self-contained SVG for a bug report. Pure. */
export function drawSvg(inspection: Inspection): string {
  const title = titleOf(inspection);
  const parts = [
    ...inspection.attachments.map((attachment) => drawAttachment(toPicture(attachment))),
    drawNotes(toNotes(inspection)),
  ];
  let y = MARGIN + 2 * LINE;
  const placed = parts.map(({ svg, height }) => {
    const group = `<g transform="translate(${MARGIN} ${y})">${svg}</g>`;
    y += height + LINE;
    return group;
  });
  const width = Math.max(title.length * CHARACTER, ...parts.map((part) => part.width)) + 2 * MARGIN;
  const size = `width="${width}" height="${y}" viewBox="0 0 ${width} ${y}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13" fill="${INK}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(MARGIN, MARGIN + LINE / 2, title, INK, true),
    ...placed,
    '</svg>\n',
  ].join('\n');
}

function drawAttachment({ left, right, toRight, toLeft, notes }: Picture): Drawing {
  const rows = Math.max(left.lines.length, right.lines.length, 4) + 1;
  const height = rows * LINE + 2 * PADDING;
  const [leftWidth, rightWidth] = [boxWidth(left), boxWidth(right)];
  const gap = (Math.max(toRight.label.length, toLeft.label.length) + 4) * CHARACTER;
  const below = drawNotes(notes);
  const svg = [
    drawBox(left, 0, leftWidth, height),
    drawArrow(toRight, leftWidth, gap, Math.round(height / 3), true),
    drawArrow(toLeft, leftWidth, gap, Math.round((2 * height) / 3), false),
    drawBox(right, leftWidth + gap, rightWidth, height),
    `<g transform="translate(0 ${height + LINE})">${below.svg}</g>`,
  ].join('\n');
  const width = Math.max(leftWidth + gap + rightWidth, below.width);
  return { svg, width, height: height + LINE + below.height };
}

const boxWidth = ({ title, lines }: Box): number =>
  Math.max(title.length, ...lines.map(({ length }) => length)) * CHARACTER + 2 * PADDING;

function drawBox({ title, lines }: Box, x: number, width: number, height: number): string {
  const row = (i: number) => PADDING + LINE * (i + 0.75);
  return [
    `<rect x="${x}" y="0" width="${width}" height="${height}" rx="4" fill="#f5f7fa" stroke="${GREY}"/>`,
    text(x + PADDING, row(0), title, INK, true),
    ...lines.map((line, i) => text(x + PADDING, row(i + 1), line, INK)),
  ].join('\n');
}

function drawArrow(
  { label, isMissing }: Arrow,
  left: number,
  gap: number,
  y: number,
  isToRight: boolean,
): string {
  const [start, end] = [left + 6, left + gap - 6];
  if (isMissing) return text(start + PADDING, y - 6, label, BAD);
  const [tip, back] = isToRight ? [end, end - 8] : [start, start + 8];
  return [
    text(start + PADDING, y - 6, label, INK),
    `<path d="M${start} ${y}H${end}" stroke="${INK}"/>`,
    `<path d="M${tip} ${y}L${back} ${y - 4}V${y + 4}Z"/>`,
  ].join('\n');
}

function drawNotes(notes: readonly Note[]): Drawing {
  const INDENT = 11 * CHARACTER;
  const lines = notes.flatMap(({ about, text: said, isGood }, i) => {
    const y = LINE * (i + 0.75);
    return [text(0, y, about, GREY), text(INDENT, y, said, isGood === null ? INK : isGood ? GOOD : BAD)];
  });
  const longest = Math.max(0, ...notes.map((note) => note.text.length));
  return { svg: lines.join('\n'), width: INDENT + longest * CHARACTER, height: notes.length * LINE };
}

function text(x: number, y: number, content: string, fill: string, isBold = false): string {
  const weight = isBold ? ' font-weight="bold"' : '';
  return `<text x="${x}" y="${y}" fill="${fill}"${weight}>${escaped(content)}</text>`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes markup, and all characters that XML does not have. */
const escaped = (content: string): string =>
  printable(content).replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '');
