import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { type Looked, remember, reportOf, type Scan } from './findings.ts';
import { lookInto } from './look.ts';

/** Looks into the pods of the node again and again, for filters and programs that came after ADD. */
export interface Scanner {
  /** What the last scan found; null if there was none, or it could not be made. */
  readonly last: () => Scan | null;
  /** Resolves when it holds nothing any more. */
  stop(): Promise<void>;
}

export interface ScanOptions {
  /** Where the container runtime mounts the network namespaces of pods. */
  readonly directory: string;
  /** Time between two scans. */
  readonly seconds: number;
  /** Descriptor of the agent's own netns. */
  readonly own: number;
}

/** Time between two pods, in ms: calls of the plugin, which come at any time, wait for the same lock of the kernel. */
const PAUSE = 10;

/** One pod at a time, on a thread of the pool: nothing waits for it. */
export function startScanner({ directory, seconds, own }: ScanOptions): Scanner {
  const stopped = new AbortController();
  let last: Scan | null = null;
  let failure: string | null = null;

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal: stopped.signal, ref: false }).catch(() => {});

  const scan = async (): Promise<void> => {
    const found = new Map<string, Looked>();
    for (const name of readdirSync(directory).sort()) {
      const looked = await lookInto(join(directory, name), own);
      if (looked !== null) found.set(name, looked);
      await pause(PAUSE);
      if (stopped.signal.aborted) return;
    }
    const before = last ?? new Map();
    const now = remember(before, found);
    for (const { level, message, fields } of reportOf(before, now)) log(level, message, fields);
    last = now;
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
    const advice = 'mount the directory of the node into the agent, or choose with --netns-dir';
    log('warn', `Cannot look for conflicting filters in pods: ${reason}; ${advice}`);
  };

  const running = run();
  return {
    last: () => last,
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
