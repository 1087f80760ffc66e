import { closeSync } from 'node:fs';
import { silenceNetns } from '../cni/kernel/self-test.ts';
import { log } from '../shared/log.ts';
import { native } from '../shared/native/native.ts';

/**
 * Keeps the nftables hooks that pods use in use on this node, by rules in a netns that lives as
 * long as this process. The kernel patches its code (static keys) when the first rule of a hook is
 * added on the node and when the last is removed. Without this, many ADDs would pay 2 ms for it.
 * Logs a warning if the kernel lacks these hooks. Pods are still wired, but not silenced.
 */
export async function holdHooks(): Promise<void> {
  const netns = await native.newNetns();
  const failures = await silenceNetns(netns);
  for (const failure of failures) log('warn', failure);
  if (failures.length > 0) closeSync(netns);
}
