/** The image that `npm run image` has built, read by tar(1). */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { execaSync } from 'execa';

export const IMAGE_FOLDER = resolve(import.meta.dirname, '../../../dist/image');
export const ARCHIVE = `${IMAGE_FOLDER}/tapwire.oci.tar`;
if (!existsSync(ARCHIVE)) throw new Error(`Cannot find "${ARCHIVE}": run "npm run image" first`);

/** A file of an archive, as bytes. */
export const readMember = (archive: string, path: string): Uint8Array =>
  execaSync('tar', ['--extract', '--to-stdout', '--file', archive, path], {
    encoding: 'buffer',
    maxBuffer: 256 * 1024 * 1024,
  }).stdout;

// biome-ignore lint/suspicious/noExplicitAny: JSON that a test inspects
export const readJson = (archive: string, path: string): any =>
  JSON.parse(Buffer.from(readMember(archive, path)).toString());

/** Path of a blob in the archive. */
export const blob = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

/** One line of `tar --list --verbose`. */
export interface Listed {
  readonly mode: string;
  readonly owner: string;
  readonly size: number;
  readonly time: string;
  /** Path without the slash at a directory's end. */
  readonly path: string;
  readonly target: string | undefined;
}

/** All files in a layer. */
export function listLayer(layer: Uint8Array): readonly Listed[] {
  const { stdout } = execaSync(
    'tar',
    '--list --verbose --gzip --numeric-owner --utc --full-time'.split(' '),
    {
      input: layer,
    },
  );
  return stdout.split('\n').map((line) => {
    const [mode = '', owner = '', size = '', day = '', time = '', ...rest] = line.split(/ +/);
    const [path = '', target] = rest.join(' ').split(' -> ');
    return { mode, owner, size: Number(size), time: `${day} ${time}`, path: path.replace(/\/$/, ''), target };
  });
}
