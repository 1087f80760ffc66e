import { readFileSync } from 'node:fs';
import type { Lab } from './lab.ts';
import type { PodLink } from './pod-link.ts';
import { start, waitFor } from './run.ts';

/** One frame that arrived from the pod. */
export interface Frame {
  /** MAC. */
  readonly source: string;
  /** Length in bytes, with the Ethernet header. */
  readonly length: number;
}

/** Captures frames that arrive from the pod. */
export interface Capture {
  /** Stops the capture and returns the frames. */
  readonly stop: () => Promise<readonly Frame[]>;
}

/** Captures at the host's end of a pod link, where every frame that leaves the pod passes. */
export async function startCapture(lab: Lab, { port }: Pick<PodLink, 'port'>): Promise<Capture> {
  const options = ['-i', port, '--direction=in', '-e', '-n', '-t', '--immediate-mode', '-Z', 'root'];
  const tcpdump = start(lab, lab.node, `tcpdump-${port}`, ['tcpdump', ...options]);
  const printed = () => readFileSync(tcpdump.log, 'utf8');
  await waitFor(lab, 'word from tcpdump', () => (printed().includes('listening on') ? true : undefined));
  return {
    stop: async () => {
      process.kill(tcpdump.pid, 'SIGINT');
      await tcpdump.ended;
      const lines = printed().matchAll(/^([\da-f:]{17}) > [\da-f:]{17}, .*?length (\d+):/gm);
      return [...lines].map(([, source = '', length]) => ({ source, length: Number(length) }));
    },
  };
}
