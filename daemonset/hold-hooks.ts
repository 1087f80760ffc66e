import { closeSync } from 'node:fs';
import { silenceNetns } from '../cni/kernel/self-test.ts';
import { log } from '../shared/log.ts';
import { native } from '../shared/native/native.ts';

/**
 * Keeps the hooks of silence in use on this node, in a netns that lives as long as this process. A kernel rewrites its code (static
 * keys) when a hook gets its first rules on the node and when it loses its last; otherwise many an ADD would pay for that (2 ms).
 *
 * Logs a warning if the kernel has no such hooks: pods are wired all the same.
 */
export async function holdHooks(): Promise<void> {
  const netns = await native.newNetns();
  const failures = await silenceNetns(netns);
  for (const failure of failures) log('warn', failure);
  if (failures.length > 0) closeSync(netns);
}
