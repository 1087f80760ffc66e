import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cgroupsOf, removeCgroup } from '../test/helpers/cluster/containerd/cgroups.ts';
import { untilInterrupted } from '../test/helpers/lab/interruption.ts';

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
  const tell = (signal: NodeJS.Signals) =>
    console.error(`\nStopped by ${signal}: ending all programs of the benchmark`);
  return untilInterrupted(async (stopped) => {
    // In a session of its own, so that Ctrl-C ends it only by its whole PID namespace.
    const child = spawn('unshare', [...namespaces, '--', process.execPath, ...argv], {
      stdio: 'inherit',
      detached: true,
      env: { ...process.env, [INSIDE]: cgroup },
    });
    stopped.addEventListener('abort', () => child.kill('SIGKILL'));
    const [status] = await once(child, 'exit');
    for (const path of cgroupsOf(`/${cgroup}`)) await removeCgroup(path);
    stopped.throwIfAborted();
    return status ?? 1;
  }, tell);
}
