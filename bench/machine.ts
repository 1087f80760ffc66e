import { cpus, release, totalmem } from 'node:os';
import { execa } from 'execa';
import type { Machine } from './results.ts';

const GIB = 1024 ** 3;

/** Describes what the figures depend on, without anything that identifies the machine. */
export async function describeMachine(): Promise<Machine> {
  const { stdout } = await execa('dpkg-query', ['-W', 'containernetworking-plugins']);
  return {
    kernel: release(),
    cpu: cpus()[0]?.model ?? '',
    cpus: cpus().length,
    memory: Math.round(totalmem() / GIB),
    node: process.versions.node,
    plugins: stdout.split('\t')[1] ?? '',
  };
}
