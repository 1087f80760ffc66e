/** A node whose agent scans the pods that the test shows it. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestNetns } from '../pod/netns.ts';
import type { Agent } from './agent.ts';
import { type AgentNode, metricsOf, until, withEmptyNode } from './agent-node.ts';

/**
 * A node on which the agent sees only the pods that the test lists in a directory. They are links,
 * because a mount would outlive a crash of the test.
 */
export function withScannedNode<T>(
  act: (node: AgentNode, directory: string, show: (netns: TestNetns) => void) => Promise<T>,
): Promise<T> {
  return withEmptyNode(async (node) => {
    const directory = mkdtempSync(join(tmpdir(), 'tapwire-netns-'));
    try {
      return await act(node, directory, ({ name, path }) => symlinkSync(path, join(directory, name)));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}

export const scanned = (agent: Agent) =>
  until(
    'there is a scan',
    async () =>
      ((await metricsOf(agent)).families.get('tapwire_conflicting_filters')?.samples.length ?? 0) > 0,
  );

export const linesAbout = (agent: Agent, text: string) =>
  agent
    .log()
    .split('\n')
    .filter((line) => line.includes('"message"'))
    .map((line) => JSON.parse(line))
    .filter(({ message }) => message.includes(text));
