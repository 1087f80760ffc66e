import type { status as Status, StatusObject } from '@grpc/grpc-js';

/**
 * The status codes of gRPC that Tapwire answers with. The library has them as an enum, but loading the library is an effect, and the
 * functions that choose a code are pure; the compiler compares the numbers.
 *
 * Source: gRPC "Status codes and their use in gRPC" (statuscodes.md)
 */
export const status = {
  INVALID_ARGUMENT: 3,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const satisfies {
  readonly [Name in keyof typeof Status]?: `${(typeof Status)[Name]}` extends `${infer Code extends number}`
    ? Code
    : never;
};

/** How a call failed; `code` is never OK. */
export type Failure = Readonly<Pick<StatusObject, 'code' | 'details'>>;
