import { readdirSync, readFileSync } from 'node:fs';

/**
 * Kills the leader of a session, the other members, and all that descends from them. They are stopped first, so that none leaves a child
 * behind that nobody knows.
 */
export function killSession(leader: number): void {
  const stopped = new Set<number>();
  for (let found = [leader, ...membersOf(leader)]; found.length > 0; ) {
    for (const pid of found) {
      send(pid, 'SIGSTOP');
      stopped.add(pid);
    }
    found = [...stopped].flatMap(childrenOf).filter((pid) => !stopped.has(pid));
  }
  for (const pid of stopped) send(pid, 'SIGKILL');
}

/** Of the session with that leader, also those whose parents have ended. */
function membersOf(session: number): number[] {
  const pids = entries('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => sessionOf(pid) === session);
}

/** Behind the command, which may have anything in it: state, parent, process group, session. Source: proc_pid_stat(5) */
function sessionOf(pid: number): number {
  const stat = unlessGone(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[4]);
}

/** Of all its threads; none if it has ended. */
function childrenOf(pid: number): number[] {
  return entries(`/proc/${pid}/task`).flatMap((thread) => {
    const children = `/proc/${pid}/task/${thread}/children`;
    return unlessGone(() => readFileSync(children, 'utf8').split(' ').filter(Boolean).map(Number), []);
  });
}

const entries = (folder: string): string[] => unlessGone(() => readdirSync(folder), []);

const send = (pid: number, signal: NodeJS.Signals): void =>
  unlessGone(() => void process.kill(pid, signal), undefined);

/** A process may end at any moment. */
function unlessGone<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ESRCH'].includes(code)) return otherwise;
    throw error;
  }
}
