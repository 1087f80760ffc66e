import { printable, printableLines } from '../../shared/printable.ts';
import type { PodReport } from './inspect.ts';
import { parseOutput } from './parse-output.ts';

/** Prints the output of each pod under a line with its pod and node. Pure. */
export const drawPods = (reports: readonly PodReport[]): string =>
  reports.map((report) => `${headOf(report)}\n${bodyOf(report)}`).join('\n');

const headOf = ({ pod, node }: PodReport): string => printable(`pod ${pod} on node ${node}`);

function bodyOf({ reply }: PodReport): string {
  if (reply.exitCode === null) return `${printable(`no result: ${reply.failure}`)}\n`;
  return printableLines(reply.output);
}

/** Returns what `inspect --cluster --json` prints. `inspection` is null without a reply. Pure. */
export const toPodJson = (reports: readonly PodReport[]): readonly object[] =>
  reports.map(({ pod, node, reply }) => ({ pod, node, ...inspectionOf(reply) }));

function inspectionOf(reply: PodReport['reply']) {
  if (reply.exitCode === null) return { inspection: null, failure: reply.failure };
  const inspection = parseOutput(reply.output);
  return inspection === undefined
    ? { inspection: null, failure: reply.output.trim() }
    : { inspection, failure: null };
}

/** Exit status of the whole command: problems, or no reply, of any pod. */
export const statusOfPods = (reports: readonly PodReport[]): 0 | 1 =>
  reports.every(({ reply }) => reply.exitCode === 0) ? 0 : 1;
