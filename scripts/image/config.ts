import tapwire from '../../package.json' with { type: 'json' };
import { BINDINGS, IMAGE, type ImageBinding, tagOf } from './names.ts';
import type { ImageConfig, Variant } from './oci.ts';

/** Where an image comes from; nothing outside a git checkout. */
export interface Origin {
  /** The commit. */
  readonly revision?: string;
  /** When it was made, ISO 8601. */
  readonly created?: string;
  /** URL of the repository. */
  readonly source?: string;
}

/** OCI's words for processors, by Node's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * The images: one root file system, and for each binding the variable that tells the sidecar. daemonset/Containerfile says the same
 * to other builders.
 *
 * @param processor as `process.arch` has it; the one that Node, the addon and the shim of this root were built for
 */
export function variants(processor: string, origin: Origin): readonly Variant[] {
  const architecture = ARCHITECTURES[processor];
  if (architecture === undefined)
    throw new RangeError(`Cannot make an image for ${processor}: want x64 or arm64`);
  return BINDINGS.map((binding) => ({
    name: `${IMAGE}:${tagOf(binding)}`,
    config: configOf(binding, architecture, origin),
  }));
}

function configOf(
  binding: ImageBinding,
  architecture: string,
  { revision, created, source }: Origin,
): ImageConfig {
  return {
    ...(created === undefined ? {} : { created }),
    architecture,
    os: 'linux',
    config: {
      User: '107:107', // the sidecar; the DaemonSet says what it runs as
      // One heap of the C library instead of one for each thread: the sidecar has 64 MB.
      Env: [`TAPWIRE_BINDING=${binding}`, 'MALLOC_ARENA_MAX=1'],
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
