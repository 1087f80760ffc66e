import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { remember, reportOf, type Scan, type ScannedNetns } from './findings.ts';
import { addScan, type Counts, NOTHING_COUNTED } from './guest-counts.ts';
import { scanNetns } from './look.ts';

/**
 * Scans the node's pods periodically for filters and programs that were added after ADD, and for
 * what their guest services count.
 */
export interface Scanner {
  /** The last scan; null if there was none or it failed. */
  readonly last: () => Scan | null;
  /** Messages that guest services have counted since the first scan. */
  readonly messages: () => Counts;
  /** Stops scanning; resolves when all descriptors are closed. */
  stop(): Promise<void>;
}

export interface ScanOptions {
  /** Directory in which the container runtime mounts the netns of pods. */
  readonly directory: string;
  /** Seconds between two scans. */
  readonly seconds: number;
  /** Descriptor of the agent's own netns. */
  readonly hostNetns: number;
}

/** Milliseconds between two pods: CNI calls need the same lock in the kernel. */
const PAUSE = 10;

/**
 * Starts scanning in the background: one pod at a time, on a pool thread. `scan` makes one scan and
 * logs what changed, `run` repeats it until `stop`, and `report` logs a failure once.
 */
export function startScanner({ directory, seconds, hostNetns }: ScanOptions): Scanner {
  const stopped = new AbortController();
  let last: Scan | null = null;
  let counted = NOTHING_COUNTED;
  let failure: string | null = null;

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal: stopped.signal, ref: false }).catch(() => {});

  const scan = async (): Promise<void> => {
    const found = new Map<string, ScannedNetns>();
    for (const name of readdirSync(directory).sort()) {
      const scanned = await scanNetns(join(directory, name), hostNetns);
      if (scanned !== null) found.set(name, scanned);
      await pause(PAUSE);
      if (stopped.signal.aborted) return;
    }
    const before = last ?? new Map();
    const now = remember(before, found);
    for (const { level, message, fields } of reportOf(before, now)) log(level, message, fields);
    last = now;
    counted = addScan(counted, now);
  };

  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        await scan();
        failure = null;
      } catch (error) {
        last = null;
        report(messageOf(error));
      }
      await pause(seconds * 1000);
    }
  };

  const report = (reason: string): void => {
    if (reason === failure) return;
    failure = reason;
    const advice = "mount the node's directory into the agent, or choose another with --netns-dir";
    log('warn', `Cannot look for conflicting filters in pods: ${reason}; ${advice}`);
  };

  const running = run();
  return {
    last: () => last,
    messages: () => counted.totals,
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
