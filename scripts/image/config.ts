import tapwire from '../../package.json' with { type: 'json' };
import { BINDING_NAMES, type Binding } from '../../shared/bindings.ts';
import { IMAGE, tagOf } from './names.ts';
import type { ImageConfig, Variant } from './oci.ts';

/** The origin of an image. All fields are absent outside a git checkout. */
export interface Origin {
  /** Hash of the commit. */
  readonly revision?: string;
  /** Time of the commit, ISO 8601. */
  readonly created?: string;
  /** URL of the repository. */
  readonly source?: string;
}

/** OCI's names of architectures, by Node's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Returns the configurations of the images. They share one root file system. The first serves every
 * binding, and the DaemonSet runs it. Each of the others sets the variable that tells the sidecar
 * its binding. daemonset/Containerfile must say the same to other builders.
 *
 * @param processor architecture that Node, the addon and the shim were built for, as in
 * `process.arch`
 * @throws {RangeError} for an architecture other than x64 and arm64
 */
export function variants(processor: string, origin: Origin): readonly Variant[] {
  const architecture = ARCHITECTURES[processor];
  if (architecture === undefined)
    throw new RangeError(`Cannot build an image for ${processor}: want x64 or arm64`);
  return [null, ...BINDING_NAMES].map((binding) => ({
    name: `${IMAGE}:${tagOf(binding)}`,
    config: configOf(binding, architecture, origin),
  }));
}

function configOf(
  binding: Binding | null,
  architecture: string,
  { revision, created, source }: Origin,
): ImageConfig {
  return {
    ...(created === undefined ? {} : { created }),
    architecture,
    os: 'linux',
    config: {
      User: '107:107', // for the sidecar; the DaemonSet sets its own user
      // One heap of the C library instead of one for each thread: the sidecar has 64 MB.
      Env: [...(binding === null ? [] : [`TAPWIRE_BINDING=${binding}`]), 'MALLOC_ARENA_MAX=1'],
      Entrypoint: ['/app/node', '/app/sidecar/index.js'],
      WorkingDir: '/',
      Labels: {
        'org.opencontainers.image.title': tapwire.name,
        'org.opencontainers.image.description': tapwire.description,
        'org.opencontainers.image.version': tapwire.version,
        'org.opencontainers.image.licenses': tapwire.license,
        ...(source === undefined ? {} : { 'org.opencontainers.image.source': source }),
        ...(revision === undefined ? {} : { 'org.opencontainers.image.revision': revision }),
      },
    },
  };
}
