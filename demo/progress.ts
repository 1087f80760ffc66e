import { styleText } from 'node:util';

/** A step of the demo that has ended. */
export interface StepTime {
  readonly name: string;
  /** Seconds. */
  readonly seconds: number;
}

const NAME_WIDTH = 60;
const BAR_WIDTH = 30;

/**
 * Styles text for the terminal. Leaves it plain for NO_COLOR, a pipe, or a terminal without
 * colours.
 */
export const paint = (style: Parameters<typeof styleText>[0], text: string) =>
  styleText(style, text, { stream: process.stdout });

/**
 * Runs the steps of the demo. Prints the name of a step when it starts and its time when it ends.
 */
export function startProgress() {
  const done: StepTime[] = [];

  async function step<T>(name: string, act: () => T | Promise<T>): Promise<T> {
    process.stdout.write(`  ${name.padEnd(NAME_WIDTH)} `);
    const started = performance.now();
    try {
      const result = await act();
      const seconds = (performance.now() - started) / 1000;
      done.push({ name, seconds });
      console.log(`${paint('green', 'ok')} ${paint('dim', toSeconds(seconds))}`);
      return result;
    } catch (error) {
      console.log(paint('red', 'failed'));
      throw error;
    }
  }

  return { step, times: (): readonly StepTime[] => done };
}

export type Progress = ReturnType<typeof startProgress>;

const toSeconds = (seconds: number) => `${seconds.toFixed(2).padStart(6)} s`;

/** Formats a table of the steps, each with a bar in proportion to its time. */
export function timeTable(times: readonly StepTime[]): string {
  const total = times.reduce((sum, { seconds }) => sum + seconds, 0);
  const longest = Math.max(...times.map(({ seconds }) => seconds));
  const rows = times.map(({ name, seconds }) => {
    const bar = '█'.repeat(Math.round((seconds / longest) * BAR_WIDTH)) || '▏';
    return `  ${name.padEnd(NAME_WIDTH)} ${toSeconds(seconds)}  ${paint('cyan', bar)}`;
  });
  return [
    ...rows,
    `  ${'─'.repeat(NAME_WIDTH)} ${'─'.repeat(8)}`,
    `  ${'total'.padEnd(NAME_WIDTH)} ${toSeconds(total)}`,
  ].join('\n');
}
