/**
 * Loses replies of the kernel to the plugin. A process in a pod can flood the plugin's sockets, so
 * any reply may be lost.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';

const SOURCE = resolve(import.meta.dirname, '../../cni/loss.c');

/** ENOBUFS instead of the reply, a truncated reply, or no reply from then on. */
export type Kind = 'overrun' | 'cut' | 'silence';

/** Loses the kernel's replies to a program that runs with this environment. */
export interface Loss {
  readonly env: Readonly<Record<string, string>>;
  /** From now on loses the nth datagram, or the nth of those that are `what`; 0 loses none. */
  set(nth: number, kind: Kind, what?: string): void;
  /** The datagrams received since the last set(). */
  received(): readonly string[];
}

/** Builds what loses the replies. */
export async function withLoss(act: (loss: Loss) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-loss-'));
  const [library, at, received] = ['loss.so', 'at', 'received'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  try {
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
    await execa('gcc', [...flags, '-o', library, SOURCE]);
    await act({
      env: { LD_PRELOAD: library, TAPWIRE_LOSS: directory },
      set(nth, kind, what = '') {
        rmSync(received, { force: true });
        writeFileSync(at, `${nth} ${kind} ${what}\n`);
      },
      received: () => (existsSync(received) ? readFileSync(received, 'utf8').trim().split('\n') : []),
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
