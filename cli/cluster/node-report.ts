import { get } from '../../shared/json.ts';
import { printable } from '../../shared/printable.ts';
import type { Diagnosis } from '../doctor/diagnosis.ts';
import { parseOutput } from './parse-output.ts';
import type { Reply } from './run-jobs.ts';

/** Result of `tapwire doctor` on one node. `doctor --cluster --json` prints a list of these. */
export interface NodeReport {
  readonly node: string;
  /** Empty without a reply. */
  readonly findings: readonly Diagnosis[];
  /** Why there is no reply; null if there is one. */
  readonly failure: string | null;
}

/** Bounds of a reply; the doctor has about ten checks, each with two sentences. */
const MAX_FINDINGS = 200;
const MAX_TEXT = 4096; // characters
const SEVERITIES = ['ok', 'warning', 'error'] as const;

/** Reads the output of `tapwire doctor --json` on a node. Pure. */
export function toReport(node: string, reply: Reply): NodeReport {
  if (reply.exitCode === null) return { node, findings: [], failure: reply.failure };
  const list = parseOutput(reply.output);
  const findings = Array.isArray(list) ? list.slice(0, MAX_FINDINGS).map(toFinding) : [];
  if (findings.length > 0 && findings.every((finding) => finding !== null)) {
    return { node, findings, failure: null };
  }
  const said = reply.output.trim().split('\n').at(-1) ?? '';
  const failure = `the doctor ended with status ${reply.exitCode}: ${said.slice(0, MAX_TEXT)}`;
  return { node, findings: [], failure };
}

function toFinding(value: unknown): Diagnosis | null {
  const severity = SEVERITIES.find((one) => one === get(value, 'severity'));
  const [what, found] = [textOf(get(value, 'what')), textOf(get(value, 'found'))];
  if (severity === undefined || what === null || found === null) return null;
  const version = textOf(get(value, 'version'));
  const advice = textOf(get(value, 'advice'));
  return { severity, what, found, advice, ...(version === null ? {} : { version }) };
}

const textOf = (value: unknown): string | null =>
  typeof value === 'string' ? printable(value.slice(0, MAX_TEXT)) : null;
