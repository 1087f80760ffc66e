import type { Sandbox } from './sandbox.ts';
import { readAptLog } from './slow-apt.ts';
import { type Moment, type Stopped, stackTrace } from './stop.ts';

export interface Limits {
  /** ms from the first signal to a line that says so. */
  readonly told: number;
  /** ms from the first signal, or from the end of apt-get, to the end of the last process. */
  readonly ended: number;
}

/** Everything that is wrong after a command was stopped, as sentences. */
export async function problemsOf(
  sandbox: Sandbox,
  { blows }: Moment,
  { output, first, told, ended }: Stopped,
  limits: Limits,
): Promise<readonly string[]> {
  const apt = readAptLog(sandbox.bin);
  const late = ended === null ? Number.POSITIVE_INFINITY : first + ended - Math.max(first, apt.end);
  const silence = told ?? ended ?? Number.POSITIVE_INFINITY;
  const isVisible = !blows.some(([blow]) => blow === 'close');
  return [
    ...sandbox.processes().map((process) => `still running: ${process}`),
    ...(late > limits.ended ? [`its processes took ${late} ms to end`] : []),
    ...(isVisible && silence > limits.told ? [`it said nothing for ${silence} ms`] : []),
    ...stackTrace(output).map((line) => `stack trace: ${line}`),
    ...apt.problems,
    ...(await sandbox.leftOvers()).map((name) => `left: ${name}`),
  ];
}
