import { setTimeout as sleep } from 'node:timers/promises';

const TIMEOUT = 20_000; // ms

/** Waits for a bounded time; the error says what never came true, and what `log` has. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  log: () => string,
): Promise<void> {
  const deadline = Date.now() + TIMEOUT;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`Not within ${TIMEOUT / 1000} s: ${what}\n${log()}`);
    await sleep(10);
  }
}
