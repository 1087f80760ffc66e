import tapwire from '../../package.json' with { type: 'json' };
import { PINNED_BINDINGS } from '../../shared/bindings.ts';

/**
 * Name of the image in manifests until an administrator replaces it. It is never pulled by this
 * name.
 */
export const IMAGE = 'localhost/tapwire';

/**
 * The variants of the image, by the only binding that their sidecar serves; null for the image that
 * serves every binding. The DaemonSet runs the first variant.
 */
export const PINNED = [null, ...PINNED_BINDINGS] as const;
export type Pinned = (typeof PINNED)[number];

/** Returns the tag of a variant: `0.1.0` for every binding, `0.1.0-passt` for passt only. */
export const tagOf = (pinned: Pinned): string =>
  pinned === null ? tapwire.version : `${tapwire.version}-${pinned}`;
