import { execa } from 'execa';

/**
 * Returns the paths of the shared libraries that the programs need, and of their loader, as ldd
 * finds them.
 */
export async function librariesOf(...programs: readonly string[]): Promise<ReadonlySet<string>> {
  const { stdout } = await execa('ldd', programs);
  return new Set([...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path));
}

/** Returns the name of a library in the fallback's directory `lib`. */
export function nameInFallback(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.startsWith('ld-') ? 'ld.so' : name;
}
