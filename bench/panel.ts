import type { Spread } from './statistics.ts';

/** One bar of the chart: a value of one peer. */
export interface Bar {
  readonly value: Spread;
  /** The value that this one is compared with, if any. */
  readonly base: Spread | undefined;
  readonly look: Look;
}

/** CSS class of the bar. */
export type Look = 'ours' | 'alone' | 'base' | 'other';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

export const ROW = 30;
const BAR = 16;
/** Width of the numbers after the longest bar. */
const NUMBERS = 104;
/** Bars of this look may be cut off, because their length would make all others invisible. */
const CUT_LOOK: Look = 'alone';

/**
 * Draws bars on a common scale, each followed by its numbers, with a line to the 90th percentile.
 * Pure.
 */
export function drawPanel(bars: readonly Bar[], box: Box): string {
  const longest = Math.max(...bars.filter(({ look }) => look !== CUT_LOOK).map(({ value }) => value.p90));
  const room = box.width - NUMBERS;
  const scale = room / (Number.isFinite(longest) ? longest : Math.max(...bars.map(({ value }) => value.p90)));
  const axis = `<path class="axis" d="M${box.x} ${box.y}v${bars.length * ROW}"/>`;
  return [axis, ...bars.map((bar, row) => drawBar(bar, scale, room, { ...box, y: box.y + row * ROW }))].join(
    '\n',
  );
}

function drawBar({ value, base, look }: Bar, scale: number, room: number, { x, y }: Box): string {
  const isCut = value.median * scale > room;
  const length = isCut ? room : Math.max(value.median * scale, 4);
  const end = isCut ? room : Math.max(value.p90 * scale, length);
  const [top, middle] = [y + (ROW - BAR) / 2, y + ROW / 2];
  const right = place(x + length);
  const bar = `<path class="${look}" d="M${x} ${top}H${place(x + length - 3)}q3 0 3 3v${BAR - 6}q0 3 -3 3H${x}z"/>`;
  const whisker = isCut ? drawCut(x + length - 26, top) : drawWhisker(right, place(x + end), middle, look);
  const ratio =
    base === undefined ? '' : ` <tspan class="ratio">${times(value.median / base.median)}</tspan>`;
  const numbers = `<text class="number" x="${place(x + end + 9)}" y="${middle + 4.5}">${milliseconds(value.median)}${ratio}</text>`;
  return [bar, whisker, numbers].join('\n');
}

const drawWhisker = (from: number, to: number, y: number, look: Look): string =>
  to - from < 1 ? '' : `<path class="whisker ${look}-line" d="M${from} ${y}H${to}M${to} ${y - 4}v8"/>`;

/** Draws two slanted gaps, which show that the bar is cut off. */
const drawCut = (x: number, top: number): string =>
  [0, 8]
    .map((shift) => `<path class="gap" d="M${place(x + shift)} ${top + BAR + 2}l7 ${-BAR - 4}"/>`)
    .join('');

const place = (value: number): number => Number(value.toFixed(1));

/** Formats milliseconds with up to two decimals, fewer for larger values. */
export const milliseconds = (value: number): string =>
  `${value < 10 ? value.toFixed(value < 1 ? 2 : 1) : value.toFixed(0)} ms`;

export const times = (ratio: number): string =>
  `${ratio < 10 ? ratio.toFixed(2).replace(/\.?0+$/, '') : ratio.toFixed(0)}×`;
