import { BindingError, type ErrorCode, messageOf } from '../../shared/errors.ts';
import { type Failure, status } from '../../shared/grpc/status.ts';

/**
 * gRPC status for each error code. INVALID_ARGUMENT: the request is invalid. FAILED_PRECONDITION:
 * the pod is not as required. INTERNAL: Tapwire or the kernel failed. UNAVAILABLE: a later call may
 * succeed.
 */
const STATUS = {
  INCOMPATIBLE_VERSION: status.FAILED_PRECONDITION,
  INVALID_ENVIRONMENT: status.FAILED_PRECONDITION,
  IO_FAILURE: status.INTERNAL,
  INVALID_JSON: status.INVALID_ARGUMENT,
  INVALID_CONFIG: status.INVALID_ARGUMENT,
  INVALID_NETNS: status.FAILED_PRECONDITION,
  LINK_MISSING: status.FAILED_PRECONDITION,
  LINK_EXISTS: status.FAILED_PRECONDITION,
  LINK_UNSUPPORTED: status.FAILED_PRECONDITION,
  NAMING_UNKNOWN: status.FAILED_PRECONDITION,
  KERNEL_REFUSED: status.INTERNAL,
  KERNEL_UNSUPPORTED: status.FAILED_PRECONDITION,
  WIRING_BROKEN: status.FAILED_PRECONDITION,
  INVALID_VMI: status.INVALID_ARGUMENT,
  INVALID_DOMAIN: status.INVALID_ARGUMENT,
  INVALID_REQUEST: status.INVALID_ARGUMENT,
  PLUGIN_NOT_AVAILABLE: status.UNAVAILABLE,
  TRY_AGAIN: status.UNAVAILABLE,
  NOT_ALLOWED: status.FAILED_PRECONDITION,
  INTERNAL: status.INTERNAL,
} as const satisfies Record<ErrorCode, number>;

/**
 * Maximum length in characters. The text travels in an HTTP/2 header, in which each character may
 * take nine bytes.
 */
const MAX_DETAILS = 1500;

/**
 * Turns any thrown value into a status, which virt-launcher's log and the VMI's condition show.
 * Never uses a number that the value carries. The details are well-formed Unicode, because grpc-js
 * encodes them with `encodeURI`, which throws on half a surrogate pair.
 */
export function toStatus(error: unknown): Failure {
  const known = error instanceof BindingError;
  const evidence = known && error.details !== undefined ? ` (${error.details})` : '';
  const text = known ? `${error.message}${evidence}` : `Internal error: ${messageOf(error)}`;
  return {
    code: known ? STATUS[error.code] : status.INTERNAL,
    details: text.slice(0, MAX_DETAILS).toWellFormed(),
  };
}
