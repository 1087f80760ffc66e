import { printable } from '../../shared/printable.ts';
import type { Attachment, Holder, PodLink } from './inspection.ts';

/** The parts of a drawing of an attachment, as text or SVG. All strings are safe to print. */
export interface Picture {
  readonly left: Box;
  readonly right: Box;
  readonly toRight: Arrow;
  readonly toLeft: Arrow;
  /** Lines under the boxes. */
  readonly notes: readonly Note[];
}

export interface Box {
  readonly title: string;
  readonly lines: readonly string[];
}

export interface Arrow {
  readonly label: string;
  /** No frames go this way: only the label is drawn, in red. */
  readonly isMissing: boolean;
}

export interface Note {
  /** Keyword in front of the text. */
  readonly about: string;
  readonly text: string;
  /** Colour of the text: good is green, bad is red, null is neutral. */
  readonly isGood: boolean | null;
}

export const box = (title: string, lines: readonly string[]): Box => ({
  title: printable(title),
  lines: lines.map(printable),
});

/** A box in the place of a link that no longer exists. */
export const GONE: Box = { title: 'gone', lines: [] };

export const note = (about: string, text: string, isGood: boolean | null = null): Note => ({
  about,
  text: printable(text),
  isGood,
});

export const state = (isUp: boolean): string => (isUp ? 'up' : 'DOWN');

/** Kind and state of a link that another program made. */
export const kindText = ({ kind, isUp, hasCarrier }: Pick<PodLink, 'kind' | 'isUp' | 'hasCarrier'>): string =>
  `${kind ?? 'physical'}, ${state(isUp)}${isUp && !hasCarrier ? ', no carrier' : ''}`;

/** @param nobody what it means if there are none */
export const holderNotes = (holders: readonly Holder[], nobody: string): readonly Note[] =>
  holders.length === 0
    ? [note('held by', nobody)]
    : holders.map(({ program, pid, queues }) =>
        note('held by', `${program} (pid ${pid}), ${count(queues, 'queue')}`),
      );

/** ` PROGRAM:PID` for each process. */
export const holderNames = (holders: readonly Holder[]): string =>
  holders.map(({ program, pid }) => ` ${program}:${pid}`).join('');

export const stateNotes = ({ defects }: Attachment): readonly Note[] =>
  defects.length === 0
    ? [note('state', 'as ADD left it', true)]
    : defects.map((defect) => note('defect', defect, false));

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
