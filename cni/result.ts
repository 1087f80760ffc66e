import { BindingError, type ErrorCode, messageOf } from '../shared/errors.ts';
import type { Address } from '../shared/rtnetlink/address.ts';
import type { Link } from '../shared/rtnetlink/link.ts';
import { isSameForm, SUPPORTED_VERSIONS, type Version } from './request/version.ts';

/**
 * Error codes: those of CNI SPEC §5, "Error"; ours from 100; 999 as the reference library uses for
 * a bug. docs/metrics.md explains each.
 */
export const CODES = {
  INCOMPATIBLE_VERSION: 1,
  INVALID_ENVIRONMENT: 4,
  IO_FAILURE: 5,
  INVALID_JSON: 6,
  INVALID_CONFIG: 7,
  INVALID_NETNS: 8,
  TRY_AGAIN: 11,
  PLUGIN_NOT_AVAILABLE: 50,
  LINK_MISSING: 100,
  LINK_EXISTS: 101,
  LINK_UNSUPPORTED: 102,
  NAMING_UNKNOWN: 103,
  KERNEL_REFUSED: 104,
  KERNEL_UNSUPPORTED: 105,
  WIRING_BROKEN: 106,
  NOT_ALLOWED: 107,
  INVALID_VMI: 999,
  INVALID_DOMAIN: 999,
  INVALID_REQUEST: 999,
  INTERNAL: 999,
} as const satisfies Record<ErrorCode, number>;

export interface ErrorResult {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** A JSON value that is a CNI result. */
export type Result = Readonly<Record<string, unknown>>;

export function versionResult(): Result {
  return { cniVersion: SUPPORTED_VERSIONS.at(-1), supportedVersions: SUPPORTED_VERSIONS };
}

/**
 * Builds the result for a network whose link already exists: the link and its addresses. Omits the
 * tap: Multus turns each interface into a network status, and KubeVirt looks for the pod link's.
 *
 * Source: CNI SPEC §5, "Success"
 */
export function linkResult(
  version: Version,
  netns: string,
  link: Pick<Link, 'ifname' | 'ifindex' | 'mac' | 'mtu'>,
  addresses: readonly Address[],
): Result {
  const isBefore1 = isSameForm(version, '0.3.0'); // addresses then have a version, and interfaces have no MTU
  const ips = addresses
    .filter(({ ifindex, scope }) => ifindex === link.ifindex && scope === 'global')
    .map(({ family, local, prefixLength }) => ({
      ...(isBefore1 ? { version: family === 'inet' ? '4' : '6' } : {}),
      interface: 0,
      address: `${local}/${prefixLength}`,
    }));
  return {
    cniVersion: version,
    interfaces: [
      { name: link.ifname, mac: link.mac, ...(isBefore1 ? {} : { mtu: link.mtu }), sandbox: netns },
    ],
    ...(ips.length === 0 ? {} : { ips }),
    ...(isBefore1 ? { dns: {} } : {}),
  };
}

/**
 * Converts any thrown value to CNI's error object. Other values than BindingError are bugs and get
 * a stack.
 */
export function toErrorResult(error: unknown, version: Version): ErrorResult {
  const isOurs = error instanceof BindingError;
  const details = isOurs ? error.details : error instanceof Error ? error.stack : undefined;
  return {
    cniVersion: version,
    code: CODES[isOurs ? error.code : 'INTERNAL'],
    msg: messageOf(error),
    ...(details === undefined ? {} : { details }),
  };
}
