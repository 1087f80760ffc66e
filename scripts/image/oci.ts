import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type Entry, tar } from './tar.ts';

/**
 * One image of an archive: its name with the tag, and its configuration without the root file
 * system.
 */
export interface Variant {
  readonly name: string;
  readonly config: ImageConfig;
}

/** The part of OCI's image configuration that we use (image-spec, config.md). */
export interface ImageConfig {
  readonly created?: string;
  readonly architecture: string;
  readonly os: 'linux';
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly WorkingDir: string;
    readonly Labels: Readonly<Record<string, string>>;
  };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const OCI = 'application/vnd.oci.image';

/**
 * An archive that holds an OCI image layout: variants that share one layer. Pure; the same input
 * gives the same bytes.
 *
 * Source: OCI image-spec 1.0, image-layout.md; the annotations are those by which containerd, and
 * podman, name what they import
 */
export async function ociArchive(contents: readonly Entry[], variants: readonly Variant[]): Promise<Buffer> {
  const blobs = new Map<string, Uint8Array>();
  const store = (mediaType: string, content: Uint8Array): Descriptor => {
    const digest = digestOf(content);
    blobs.set(digest, content);
    return { mediaType, digest, size: content.length };
  };
  const unpacked = await tar(contents);
  const layer = store(`${OCI}.layer.v1.tar+gzip`, gzipSync(unpacked));
  const diffIds = [digestOf(unpacked)];
  const manifests = variants.map(({ name, config }) => {
    const rootfs = { type: 'layers', diff_ids: diffIds };
    const configuration = store(`${OCI}.config.v1+json`, json({ ...config, rootfs }));
    const manifest = {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: configuration,
      layers: [layer],
      annotations: config.config.Labels,
    };
    return {
      ...store(manifest.mediaType, json(manifest)),
      platform: { architecture: config.architecture, os: config.os },
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
      },
    };
  });
  const file = (path: string, content: Uint8Array): Entry => ({
    path,
    kind: 'file',
    content,
    isProgram: false,
  });
  return tar([
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    file('index.json', json({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests })),
    { path: 'blobs', kind: 'directory' },
    { path: 'blobs/sha256', kind: 'directory' },
    ...Array.from(blobs, ([digest, content]) => file(`blobs/${digest.replace(':', '/')}`, content)),
  ]);
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const digestOf = (content: Uint8Array): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;
