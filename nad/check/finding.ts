import { printable } from '../../shared/printable.ts';

/** A problem in the files, and what to do about it. */
export interface Finding {
  /** `error` does not work, `warning` may not work, `advice` works but could be safer. */
  readonly severity: 'error' | 'warning' | 'advice';
  readonly place: Place;
  /** One sentence: what is wrong; what to do. */
  readonly message: string;
}

export interface Place {
  readonly file: string;
  /** Line number, starting at 1. */
  readonly line: number;
}

/** A finding without its place and the subject of its sentence. */
export interface Problem {
  readonly severity: Finding['severity'];
  readonly reason: string;
}

export const error = (reason: string): Problem => ({ severity: 'error', reason });
export const doubt = (reason: string): Problem => ({ severity: 'warning', reason });
export const advice = (reason: string): Problem => ({ severity: 'advice', reason });

/** Turns problems into findings. @param subject beginning of each sentence */
export function findingsAt(place: Place, subject: string, problems: readonly Problem[]): readonly Finding[] {
  return problems.map(({ severity, reason }) => findingOf(severity, place, `${subject}: ${reason}`));
}

export const failure = (place: Place, message: string): Finding => findingOf('error', place, message);
export const warning = (place: Place, message: string): Finding => findingOf('warning', place, message);

/** Most characters of a message. Many messages may quote the same huge name. */
const MAX_MESSAGE = 4000;

function findingOf(severity: Finding['severity'], place: Place, message: string): Finding {
  const isLong = message.length > MAX_MESSAGE;
  return { severity, place, message: isLong ? `${message.slice(0, MAX_MESSAGE)}…` : message };
}

/** Formats a finding as compilers do, so that editors find the place. */
export function toLine({ severity, place, message }: Finding): string {
  return printable(`${place.file}:${place.line}: ${severity}: ${message}`);
}

/** Sorts findings by file, in the given order, then by line. */
export function inOrder(findings: readonly Finding[], files: readonly string[]): readonly Finding[] {
  const positions = new Map(files.map((file, i) => [file, i]));
  const position = ({ place }: Finding) => positions.get(place.file) ?? 0;
  return findings.toSorted((a, b) => position(a) - position(b) || a.place.line - b.place.line);
}
