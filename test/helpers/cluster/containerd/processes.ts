import { readdirSync, readFileSync } from 'node:fs';

export interface Process {
  /** Pid as the test sees it. */
  readonly pid: number;
  /** Pid as the node sees it. */
  readonly inner: number;
  readonly parent: number;
  readonly name: string;
}

/** Every process on the node, its first process first. */
export function processesOf(init: number): readonly Process[] {
  const found: Process[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = readStatus(name);
    // One pid for each pid namespace from the test's to the process' own. A namespace that a
    // sandbox shares with the node is included.
    const [pid = 0, inner = 0] = (/^NSpid:\t(.*)$/m.exec(status)?.[1] ?? '').split('\t').map(Number);
    if (inner === 0 || !descendsFrom(pid, init)) continue;
    found.push({ pid, inner, parent: parentOf(status), name: /^Name:\t(.*)$/m.exec(status)?.[1] ?? '' });
  }
  return found.sort((a, b) => a.pid - b.pid);
}

const parentOf = (status: string): number => Number(/^PPid:\t(\d+)$/m.exec(status)?.[1] ?? 0);

function descendsFrom(pid: number, ancestor: number): boolean {
  for (let current = pid; current > 1; ) {
    if (current === ancestor) return true;
    current = parentOf(readStatus(current));
  }
  return false;
}

function readStatus(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return ''; // The process has ended meanwhile.
  }
}
