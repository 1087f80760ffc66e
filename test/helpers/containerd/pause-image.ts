/** The image of a pod's sandbox, made by hand: one busybox that sleeps. No registry is asked for anything. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const PAUSE_IMAGE = 'localhost/tapwire-pause:1';
/** From the package busybox-static. */
const BUSYBOX = '/bin/busybox';
const BLOCK = 512; // bytes of a tar record
const TYPE = { file: '0', directory: '5' };

interface Entry {
  readonly path: string;
  /** Null for a directory. */
  readonly content: Uint8Array | null;
}

/** An archive as `ctr image import` takes it. Source: OCI image-spec, image-layout.md; containerd images/archive */
export function pauseImage(): Buffer {
  const blobs = new Map<string, Uint8Array>();
  const store = (mediaType: string, content: Uint8Array) => {
    const hex = createHash('sha256').update(content).digest('hex');
    blobs.set(`blobs/sha256/${hex}`, content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const oci = 'application/vnd.oci.image';
  const layer = store(
    `${oci}.layer.v1.tar`,
    tar([
      { path: 'bin/', content: null },
      { path: 'bin/busybox', content: readFileSync(BUSYBOX) },
    ]),
  );
  const config = store(
    `${oci}.config.v1+json`,
    json({
      architecture: 'amd64',
      os: 'linux',
      config: { Entrypoint: ['/bin/busybox', 'sleep', '86400'] },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    }),
  );
  const manifest = store(`${oci}.manifest.v1+json`, json({ schemaVersion: 2, config, layers: [layer] }));
  const annotations = { 'io.containerd.image.name': PAUSE_IMAGE };
  return tar([
    { path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    {
      path: 'index.json',
      content: json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
    },
    ...Array.from(blobs, ([path, content]) => ({ path, content })),
  ]);
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** A POSIX (ustar) archive whose files are all root's and executable. */
function tar(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ path, content }) => {
    const size = content?.length ?? 0;
    return [
      tarHeader(path, size, content === null ? 'directory' : 'file'),
      content ?? Buffer.alloc(0),
      Buffer.alloc(-size & (BLOCK - 1)),
    ];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function tarHeader(path: string, size: number, type: keyof typeof TYPE): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  const put = (offset: number, text: string) => header.write(text, offset, 'latin1');
  put(0, path);
  put(100, octal(0o755, 7));
  put(108, octal(0, 7)); // uid
  put(116, octal(0, 7)); // gid
  put(124, octal(size, 11));
  put(136, octal(0, 11)); // mtime
  put(148, ' '.repeat(8)); // the checksum counts itself as blanks
  put(156, TYPE[type]);
  put(257, 'ustar\0');
  put(263, '00');
  put(
    148,
    `${octal(
      header.reduce((sum, byte) => sum + byte),
      6,
    )} `,
  );
  return header;
}
