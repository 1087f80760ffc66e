import { buffer } from 'node:stream/consumers';
import { type Pack, pack } from 'tar-stream';

/** One entry of an archive. Paths are relative; the path of a directory has no slash at its end. */
export type Entry =
  | { readonly path: string; readonly kind: 'directory' }
  | {
      readonly path: string;
      readonly kind: 'file';
      readonly content: Uint8Array;
      readonly isProgram: boolean;
    }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

/**
 * All that differs from one machine and one build to the next is fixed, so that the same entries
 * give the same bytes.
 */
const FIXED = { uid: 0, gid: 0, mtime: new Date(0) };

/**
 * A POSIX archive in which everything belongs to root, is dated 1970 and can be written by nobody
 * else. The same entries give the same bytes. A path that does not fit in a header goes into a pax
 * record before it.
 */
export function tar(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const entry of entries) add(archive, entry);
  archive.finalize();
  return buffer(archive);
}

function add(archive: Pack, entry: Entry): void {
  switch (entry.kind) {
    case 'file': {
      const mode = entry.isProgram ? 0o755 : 0o644;
      archive.entry({ ...FIXED, name: entry.path, type: 'file', mode }, entry.content);
      return;
    }
    case 'link':
      archive.entry({ ...FIXED, name: entry.path, type: 'symlink', mode: 0o777, linkname: entry.target });
      return;
    case 'directory':
      archive.entry({ ...FIXED, name: `${entry.path}/`, type: 'directory', mode: 0o755 });
  }
}
