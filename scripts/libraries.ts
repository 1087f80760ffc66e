import { execa } from 'execa';

/** Paths of the libraries that programs are linked with, and of the loader: where that loader finds them. */
export async function librariesOf(...programs: readonly string[]): Promise<ReadonlySet<string>> {
  const { stdout } = await execa('ldd', programs);
  return new Set([...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path));
}

/** The name of a library in the runtime's folder `lib`. */
export function nameInFallback(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.startsWith('ld-') ? 'ld.so' : name;
}
