/** What an archive holds at a path. Paths are relative, those of folders without a slash at the end. */
export type Entry =
  | { readonly path: string; readonly kind: 'folder' }
  | {
      readonly path: string;
      readonly kind: 'file';
      readonly content: Uint8Array;
      readonly isProgram: boolean;
    }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

const BLOCK = 512; // bytes
const MAX_PATH = 100; // bytes of the header's fields for a path and for a link's target
const TYPE = { file: '0', link: '2', folder: '5' };

/**
 * A POSIX archive (ustar) in which all is root's, writable by nobody else, and of 1970: the same entries are the same bytes.
 *
 * @throws {RangeError} for a path that has no room in a header
 */
export function tar(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = entry.kind === 'file' ? entry.content : Buffer.alloc(0);
    return [header(entry, content.length), content, Buffer.alloc(-content.length & (BLOCK - 1))];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header(entry: Entry, size: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const put = (offset: number, text: string) => bytes.write(text, offset, 'latin1');
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  const path = entry.kind === 'folder' ? `${entry.path}/` : entry.path;
  const target = entry.kind === 'link' ? entry.target : '';
  for (const text of [path, target]) {
    if (Buffer.byteLength(text) > MAX_PATH)
      throw new RangeError(`Cannot archive "${text}": the path is too long`);
  }
  put(0, path);
  put(100, octal(modeOf(entry), 7));
  put(108, octal(0, 7)); // uid
  put(116, octal(0, 7)); // gid
  put(124, octal(size, 11));
  put(136, octal(0, 11)); // mtime
  put(148, ' '.repeat(8)); // the checksum counts itself as blanks
  put(156, TYPE[entry.kind]);
  put(157, target);
  put(257, 'ustar\0');
  put(263, '00');
  put(148, `${octal(sumOf(bytes), 6)} `);
  return bytes;
}

function modeOf(entry: Entry): number {
  if (entry.kind === 'link') return 0o777;
  return entry.kind === 'folder' || entry.isProgram ? 0o755 : 0o644;
}

const sumOf = (bytes: Buffer): number => bytes.reduce((sum, byte) => sum + byte);
