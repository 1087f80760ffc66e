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
  let isSilent = false;
  const print = (text: string) => {
    if (!isSilent) process.stdout.write(text);
  };

  async function step<T>(name: string, act: () => T | Promise<T>): Promise<T> {
    print(`  ${name.padEnd(NAME_WIDTH)} `);
    const started = performance.now();
    try {
      const result = await act();
      const seconds = (performance.now() - started) / 1000;
      done.push({ name, seconds });
      print(`${paint('green', 'ok')} ${paint('dim', toSeconds(seconds))}\n`);
      return result;
    } catch (error) {
      print(`${paint('red', 'failed')}\n`);
      throw error;
    }
  }

  /** Prints nothing more: the demo is being stopped. */
  function silence(): void {
    isSilent = true;
  }

  return { step, silence, times: (): readonly StepTime[] => done };
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
