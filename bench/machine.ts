import { cpus, release, totalmem } from 'node:os';
import type { Machine } from './results.ts';

const GIB = 1024 ** 3;

/** Describes what the figures depend on, without anything that identifies the machine. */
export function describeMachine(plugins: string): Machine {
  return {
    kernel: release(),
    cpu: cpus()[0]?.model ?? '',
    cpus: cpus().length,
    memory: Math.round(totalmem() / GIB),
    node: process.versions.node,
    plugins,
  };
}
