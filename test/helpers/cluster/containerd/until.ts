import { setTimeout as sleep } from 'node:timers/promises';
import { HANG } from '../../hang.ts';

/** Waits for a bounded time. The error names the condition that never held, and includes `log`. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  log: () => string,
): Promise<void> {
  const deadline = Date.now() + HANG;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`Not within ${HANG / 1000} s: ${what}\n${log()}`);
    await sleep(10);
  }
}
