import { printable } from '../../shared/printable.ts';

/** Something that does not work, or may not, and what to do about it. */
export interface Finding {
  /** Advice is what works as it is, and would be safer otherwise. */
  readonly severity: 'error' | 'warning' | 'advice';
  readonly place: Place;
  /** One sentence. */
  readonly message: string;
}

export interface Place {
  readonly file: string;
  /** The first is 1. */
  readonly line: number;
}

/** What is wrong, before anybody says with what and where. */
export interface Problem {
  readonly severity: Finding['severity'];
  readonly reason: string;
}

export const error = (reason: string): Problem => ({ severity: 'error', reason });
export const doubt = (reason: string): Problem => ({ severity: 'warning', reason });
export const advice = (reason: string): Problem => ({ severity: 'advice', reason });

/** @param subject what the sentence begins with */
export function findingsAt(place: Place, subject: string, problems: readonly Problem[]): readonly Finding[] {
  return problems.map(({ severity, reason }) => ({ severity, place, message: `${subject}: ${reason}` }));
}

export const failure = (place: Place, message: string): Finding => ({ severity: 'error', place, message });
export const warning = (place: Place, message: string): Finding => ({ severity: 'warning', place, message });

/** As compilers write it, so that editors find the place. */
export function toLine({ severity, place, message }: Finding): string {
  return printable(`${place.file}:${place.line}: ${severity}: ${message}`);
}

/** In the order in which the files were given, top down. */
export function inOrder(findings: readonly Finding[], files: readonly string[]): readonly Finding[] {
  const positions = new Map(files.map((file, i) => [file, i]));
  const position = ({ place }: Finding) => positions.get(place.file) ?? 0;
  return findings.toSorted((a, b) => position(a) - position(b) || a.place.line - b.place.line);
}
