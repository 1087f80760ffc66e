import tapwire from '../../package.json' with { type: 'json' };
import type { Binding } from '../../shared/bindings.ts';

/**
 * Name of the image in manifests until an administrator replaces it. It is never pulled by this
 * name.
 */
export const IMAGE = 'localhost/tapwire';

/**
 * Returns the tag of an image: `0.1.0` if its sidecar serves every binding, `0.1.0-passt` if it
 * serves one.
 */
export const tagOf = (binding: Binding | null): string =>
  binding === null ? tapwire.version : `${tapwire.version}-${binding}`;
