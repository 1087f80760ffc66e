import { printable } from '../../shared/printable.ts';
import type { Diagnosis } from '../doctor/diagnosis.ts';
import type { NodeReport } from './node-report.ts';

const HEAD = ['NODE', 'AGENT', 'VERSION', 'KERNEL', 'PROBLEM; WHAT TO DO'] as const;
/** The checks of the kernel, and their names in the table. */
const FEATURES = [
  ['/dev/net/tun', 'tun'],
  ['wiring', 'wiring'],
  ['silence', 'silence'],
] as const;

/** Draws one row for each node, and further rows for its further problems. Pure. */
export function drawTable(reports: readonly NodeReport[]): string {
  const rows = [HEAD, ...reports.flatMap(rowsOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const last = HEAD.length - 1; // not padded
  return rows
    .map((row) => row.map((cell, i) => (i === last ? cell : cell.padEnd(widths[i] ?? 0))).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** Counts the nodes by their worst finding. */
export function summarise(reports: readonly NodeReport[]): string {
  const count = (isIt: (report: NodeReport) => boolean) => reports.filter(isIt).length;
  const errors = count((report) => report.failure === null && hasSeverity(report, 'error'));
  const silent = count(({ failure }) => failure !== null);
  const warnings = count((report) => !hasSeverity(report, 'error') && hasSeverity(report, 'warning'));
  const good = reports.length - errors - silent - warnings;
  const nodes = `${reports.length} ${reports.length === 1 ? 'node' : 'nodes'}`;
  return `${nodes}: ${good} ok, ${warnings} with warnings, ${errors} with errors, ${silent} without a result\n`;
}

const hasSeverity = ({ findings }: NodeReport, severity: Diagnosis['severity']): boolean =>
  findings.some((finding) => finding.severity === severity);

/** Whether the node has errors or no result. */
export const isBad = (report: NodeReport): boolean => report.failure !== null || hasSeverity(report, 'error');

function rowsOf(report: NodeReport): readonly (readonly string[])[] {
  const [first = '-', ...others] = problemsOf(report);
  const row = [printable(report.node), agentOf(report), versionOf(report), kernelOf(report), first];
  return [row, ...others.map((problem) => ['', '', '', '', problem])];
}

function problemsOf({ findings, failure }: NodeReport): readonly string[] {
  if (failure !== null) return [printable(`no result: ${failure}`)];
  return findings
    .filter(({ severity }) => severity !== 'ok')
    .sort((one, other) => Number(one.severity === 'warning') - Number(other.severity === 'warning'))
    .map(({ severity, what, found, advice }) => `${severity} ${what}: ${found}; ${advice}`);
}

const find = ({ findings }: NodeReport, what: string) => findings.find((finding) => finding.what === what);

function agentOf(report: NodeReport): string {
  if (report.failure !== null) return '?';
  if (find(report, 'agent')?.severity !== 'ok') return 'down';
  return find(report, 'agent health')?.severity === 'error' ? 'not ready' : 'ok';
}

/** Version of the agent, or else of the plugin. */
function versionOf({ findings, failure }: NodeReport): string {
  if (failure !== null) return '?';
  const agent = findings.find(({ what }) => what === 'agent')?.version;
  return agent ?? findings.find(({ version }) => version !== undefined)?.version ?? '-';
}

function kernelOf(report: NodeReport): string {
  if (report.failure !== null) return '?';
  return FEATURES.map(([what, name]) => (find(report, what)?.severity === 'ok' ? name : `no ${name}`)).join(
    ', ',
  );
}
