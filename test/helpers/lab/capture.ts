import { readFileSync } from 'node:fs';
import type { Lab } from './lab.ts';
import type { PodLink } from './pod-link.ts';
import { start, waitFor } from './run.ts';

/** One frame that arrived at a link. */
export interface Frame {
  /** MAC. */
  readonly source: string;
  /** Length in bytes, with the Ethernet header. */
  readonly length: number;
  /** What tcpdump says about its contents. */
  readonly text: string;
}

/** Captures the frames that arrive at a link. */
export interface Capture {
  /** Stops the capture and returns the frames. */
  readonly stop: () => Promise<readonly Frame[]>;
}

/**
 * Captures at the host's end of a pod link, where every frame that leaves the pod passes.
 *
 * @param netns of the link, if it is another one
 */
export async function startCapture(
  lab: Lab,
  { port }: Pick<PodLink, 'port'>,
  netns = lab.node,
): Promise<Capture> {
  const options = ['-i', port, '--direction=in', '-e', '-n', '-t', '--immediate-mode', '-Z', 'root'];
  const tcpdump = start(lab, netns, `tcpdump-${port}`, ['tcpdump', ...options]);
  const printed = () => readFileSync(tcpdump.log, 'utf8');
  await waitFor(lab, 'word from tcpdump', () => (printed().includes('listening on') ? true : undefined));
  return {
    stop: async () => {
      process.kill(tcpdump.pid, 'SIGINT');
      await tcpdump.ended;
      const lines = printed().matchAll(/^([\da-f:]{17}) > [\da-f:]{17}, .*?length (\d+): (.*)/gm);
      return [...lines].map(([, source = '', length, text = '']) => ({
        source,
        length: Number(length),
        text,
      }));
    },
  };
}
