import { show } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';

/**
 * Without 0.1.0 and 0.2.0: their results must have an IP address, which a layer 2 binding does not
 * have.
 */
export const SUPPORTED_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type Version = (typeof SUPPORTED_VERSIONS)[number];

/** The newest version that every current runtime accepts, for errors if the version is unknown. */
export const DEFAULT_VERSION: Version = '1.0.0';

/** Commands that the first version does not have, and the version that added them. */
const SINCE: Readonly<Record<string, string>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };

/**
 * Requires a version in which the command exists, and returns it.
 *
 * @throws {BindingError} INCOMPATIBLE_VERSION; INVALID_JSON if CHECK, GC or STATUS cannot parse it
 * Source: libcni pkg/skel, pkg/version
 */
export function requireVersion(version: string, command: string): Version {
  const refuse = (message: string, details?: string) =>
    new BindingError('INCOMPATIBLE_VERSION', message, details === undefined ? {} : { details });
  const since = Object.hasOwn(SINCE, command) ? SINCE[command] : undefined;
  if (since !== undefined) {
    if (compareVersions(version, since) < 0) {
      throw refuse(
        `config version does not allow ${command}`,
        `${command} is there since ${since}, the configuration says ${show(version)}`,
      );
    }
    if (SUPPORTED_VERSIONS.every((supported) => compareVersions(supported, version) < 0)) {
      throw refuse(`plugin version does not allow ${command}`, `the configuration says ${show(version)}`);
    }
  }
  const known = SUPPORTED_VERSIONS.find((supported) => supported === version);
  if (known !== undefined) return known;
  const supported = SUPPORTED_VERSIONS.map((one) => `"${one}"`).join(' ');
  throw refuse('incompatible CNI versions', `config is ${show(version)}, plugin supports [${supported}]`);
}

/**
 * Whether results of both versions have the same form: older ones have the address family in `ips`.
 */
export function isSameForm(one: string, other: string): boolean {
  return one.startsWith('0.') === other.startsWith('0.');
}

/** Compares two versions: negative if `one` is older. Missing parts count as 0. */
function compareVersions(one: string, other: string): number {
  const [a, b] = [parseVersion(one), parseVersion(other)];
  for (const [i, part] of a.entries()) {
    if (part !== b[i]) return part - (b[i] ?? 0);
  }
  return 0;
}

function parseVersion(version: string): readonly number[] {
  const parts = version.split('.');
  if (parts.length > 3 || !parts.every((part) => /^\d{1,9}$/.test(part))) {
    throw new BindingError('INVALID_JSON', `Cannot read $.cniVersion: want a version, got ${show(version)}`);
  }
  return [0, 1, 2].map((i) => Number(parts[i] ?? 0));
}
