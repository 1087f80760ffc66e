import { type ParseArgsConfig, parseArgs } from 'node:util';
import { BindingError, messageOf } from './errors.ts';

/** The error of a command line that cannot be followed. */
export const usageError = (reason: string, cause?: unknown): BindingError =>
  new BindingError('INVALID_CONFIG', `Cannot read the options: ${reason}; see --help`, { cause });

/**
 * Parses a command line with Node's own parser, strictly.
 *
 * @param toError the error for a reason; it says where to find help
 * @throws the result of `toError`
 */
export function readArguments<T extends ParseArgsConfig>(
  config: T,
  toError: (reason: string, cause: unknown) => BindingError = usageError,
) {
  try {
    return parseArgs<T>(config);
  } catch (cause) {
    // After its first sentence, Node gives advice about `--` and positional arguments that does not apply to our programs.
    throw toError(messageOf(cause).split(/\.\s+(?=[A-Z])|\.$/, 1)[0] ?? '', cause);
  }
}
