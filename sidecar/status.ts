import { BindingError, type ErrorCode, messageOf } from '../shared/errors.ts';

/** What virt-launcher's log and the VMI's condition show of an error. */
export interface HookStatus {
  readonly code: number;
  readonly details: string;
}

/** Source: gRPC "Status codes and their use in gRPC" */
const status = { INVALID_ARGUMENT: 3, FAILED_PRECONDITION: 9, INTERNAL: 13, UNAVAILABLE: 14 } as const;

/** INVALID_ARGUMENT: what we were given; FAILED_PRECONDITION: what is in the pod; INTERNAL: us or the kernel. */
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

/** Characters. The text travels in an HTTP/2 header, where every one may take nine bytes. */
const MAX_DETAILS = 1500;

/** The status of any thrown value. Never one by a number that the value carries. */
export function toStatus(error: unknown): HookStatus {
  const known = error instanceof BindingError;
  const evidence = known && error.details !== undefined ? ` (${error.details})` : '';
  const text = known ? `${error.message}${evidence}` : `Internal error: ${messageOf(error)}`;
  // grpc-js escapes the text with encodeURI, which throws on half a surrogate pair.
  const details = text.slice(0, MAX_DETAILS).toWellFormed();
  return { code: known ? STATUS[error.code] : status.INTERNAL, details };
}
