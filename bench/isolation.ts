import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cgroupsOf, removeCgroup } from '../test/helpers/containerd/cgroups.ts';

/** Set inside; the name of the cgroup that holds those of the run. */
const INSIDE = 'TAPWIRE_BENCH_CGROUP';

/** The run's cgroup, or null outside. */
export const insideCgroup = (): string | null => process.env[INSIDE] ?? null;

/**
 * Runs this program again in namespaces of its own, and answers with its exit status.
 *
 * Its netns is the node: no link, address or forwarding rule of the machine is seen or changed. In its mount namespace /run is
 * empty, so that the executable finds our agent at its usual place, and the names of our netns are nobody else's. With its
 * PID namespace everything that it started ends when it does, and with the last of them the rest: also after a SIGKILL.
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

/** unshare itself blocks what it could pass on. */
function endOnSignal(child: ChildProcess): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill('SIGKILL'));
  }
}
