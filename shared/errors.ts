/**
 * Kinds of errors, a closed set. A code is a string, never a number: gRPC libraries read a numeric
 * `code` of a thrown value as a gRPC status, so CNI's 7 would reach virt-launcher as
 * PERMISSION_DENIED.
 */
export type ErrorCode =
  | 'INCOMPATIBLE_VERSION'
  | 'INVALID_ENVIRONMENT'
  | 'IO_FAILURE'
  | 'INVALID_JSON'
  | 'INVALID_CONFIG'
  | 'INVALID_NETNS'
  | 'TRY_AGAIN'
  | 'PLUGIN_NOT_AVAILABLE'
  | 'LINK_MISSING'
  | 'LINK_EXISTS'
  | 'LINK_UNSUPPORTED'
  | 'NAMING_UNKNOWN'
  | 'KERNEL_REFUSED'
  | 'KERNEL_UNSUPPORTED'
  | 'WIRING_BROKEN'
  | 'NOT_ALLOWED'
  | 'INVALID_VMI'
  | 'INVALID_DOMAIN'
  | 'INVALID_REQUEST'
  | 'INTERNAL';

export interface BindingErrorOptions {
  readonly details?: string;
  readonly cause?: unknown;
}

/**
 * The only error class that Tapwire throws on purpose. Each program maps `code` to the numbers of
 * its protocol.
 */
export class BindingError extends Error {
  override readonly name = 'BindingError';
  readonly code: ErrorCode;
  /** Evidence for the administrator: links seen, leftovers, the kernel's message. */
  readonly details: string | undefined;

  constructor(code: ErrorCode, message: string, options: BindingErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
  }
}

/** Returns the message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Makes the compiler reject a switch that does not handle every member of a union. */
export function unreachable(value: never): never {
  throw new TypeError(`Unreachable: ${JSON.stringify(value)}`);
}
