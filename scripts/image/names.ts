import tapwire from '../../package.json' with { type: 'json' };

/**
 * Name of the image in manifests until an administrator replaces it. It is never pulled by this
 * name.
 */
export const IMAGE = 'localhost/tapwire';

/** The bindings of the variants. The DaemonSet runs the first variant. */
export const BINDINGS = ['tap', 'passt', 'slirp'] as const;
export type ImageBinding = (typeof BINDINGS)[number];

/** Returns the tag of a variant: `0.1.0` for tap, `0.1.0-passt` for another binding. */
export const tagOf = (binding: ImageBinding): string =>
  binding === 'tap' ? tapwire.version : `${tapwire.version}-${binding}`;
