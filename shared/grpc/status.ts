import type { status as Status, StatusObject } from '@grpc/grpc-js';

/**
 * The gRPC status codes that Tapwire returns or expects. The library exports them as an enum, but
 * importing the library has side effects, and the functions that choose a code are pure. The
 * compiler verifies that the numbers agree.
 *
 * Source: gRPC "Status codes and their use in gRPC" (statuscodes.md)
 */
export const status = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const satisfies {
  readonly [Name in keyof typeof Status]?: `${(typeof Status)[Name]}` extends `${infer Code extends number}`
    ? Code
    : never;
};

/** Result of a failed call; `code` is never OK. */
export type Failure = Readonly<Pick<StatusObject, 'code' | 'details'>>;
