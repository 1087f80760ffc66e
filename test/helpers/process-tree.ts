import { readdirSync, readFileSync } from 'node:fs';

/**
 * Kills the members of a session and all their descendants. They are stopped first, so that none
 * starts a child that goes unnoticed.
 */
export function killSession(leader: number): void {
  const stopped = new Set<number>();
  for (let found = membersOf(leader); found.length > 0; ) {
    for (const pid of found) {
      send(pid, 'SIGSTOP');
      stopped.add(pid);
    }
    // Members again: a parent may have exited after it was listed and left a child.
    const left = [...[...stopped].flatMap(childrenOf), ...membersOf(leader)];
    found = left.filter((pid) => !stopped.has(pid));
  }
  for (const pid of stopped) send(pid, 'SIGKILL');
}

/** Processes of the session with this leader, including those whose parents have exited. */
function membersOf(session: number): number[] {
  const pids = entries('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => sessionOf(pid) === session);
}

/**
 * Fields after the command, which may contain any character: state, parent, process group, session.
 *
 * Source: proc_pid_stat(5)
 */
function sessionOf(pid: number): number {
  const stat = unlessGone(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[4]);
}

/** Ids of all its threads; empty if the process has exited. */
function childrenOf(pid: number): number[] {
  return entries(`/proc/${pid}/task`).flatMap((thread) => {
    const children = `/proc/${pid}/task/${thread}/children`;
    return unlessGone(() => readFileSync(children, 'utf8').split(' ').filter(Boolean).map(Number), []);
  });
}

const entries = (directory: string): string[] => unlessGone(() => readdirSync(directory), []);

const send = (pid: number, signal: NodeJS.Signals): void =>
  unlessGone(() => void process.kill(pid, signal), undefined);

/** The process may exit at any moment. */
function unlessGone<T>(act: () => T, otherwise: T): T {
  try {
    return act();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ESRCH'].includes(code)) return otherwise;
    throw error;
  }
}
