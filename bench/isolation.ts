import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cgroupsOf, removeCgroup } from '../test/helpers/cluster/containerd/cgroups.ts';

/** Environment variable that is set inside the namespaces: the parent of the run's cgroups. */
const INSIDE = 'TAPWIRE_BENCH_CGROUP';

/** Name of the run's cgroup, or null outside the namespaces. */
export const insideCgroup = (): string | null => process.env[INSIDE] ?? null;

/**
 * Runs this program again in new namespaces, and returns its exit status.
 *
 * Its netns stands for the node: the run neither sees nor changes a link, address or forwarding
 * rule of the machine. Its mount namespace has an empty /run. So the executable finds the run's
 * agent at the usual path, and no other process sees the names of the run's netns. Its PID
 * namespace ends all processes of the run with the first one, even after SIGKILL. The other
 * namespaces end with the last process.
 */
export async function runIsolated(argv: readonly string[]): Promise<number> {
  const cgroup = `tapwire-bench-${randomBytes(4).toString('hex')}`;
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('unshare', [...namespaces, '--', process.execPath, ...argv], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: cgroup },
  });
  endOnSignal(child);
  const [status] = await once(child, 'exit');
  for (const path of cgroupsOf(`/${cgroup}`)) await removeCgroup(path);
  return status ?? 1;
}

/**
 * Ends the run on a signal to this process, because unshare blocks signals instead of passing them
 * on.
 */
function endOnSignal(child: ChildProcess): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill('SIGKILL'));
  }
}
