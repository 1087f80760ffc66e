import tapwire from '../../package.json' with { type: 'json' };

/** What the manifests call the image until an admin says where it really is; never pulled from anywhere by this name. */
export const IMAGE = 'localhost/tapwire';

/** What the sidecar of a variant binds; the DaemonSet runs the first. */
export const BINDINGS = ['tap', 'passt', 'slirp'] as const;
export type ImageBinding = (typeof BINDINGS)[number];

/** `0.1.0` for tap, `0.1.0-passt` for another. */
export const tagOf = (binding: ImageBinding): string =>
  binding === 'tap' ? tapwire.version : `${tapwire.version}-${binding}`;
