import { type ParseArgsConfig, parseArgs } from 'node:util';
import { BindingError, messageOf } from './errors.ts';

/** Creates the error for an invalid command line. */
export const usageError = (reason: string, cause?: unknown): BindingError =>
  new BindingError('INVALID_CONFIG', `Cannot read the options: ${reason}; see --help`, { cause });

/**
 * Parses a command line with Node's own parser in strict mode.
 *
 * @param toError creates the error for a reason; its message says where to find help
 * @throws the result of `toError`
 */
export function readArguments<T extends ParseArgsConfig>(
  config: T,
  toError: (reason: string, cause: unknown) => BindingError = usageError,
) {
  try {
    return parseArgs<T>(config);
  } catch (cause) {
    // Keeps only the first sentence of Node's message. The others give advice about `--` and
    // positional arguments that does not apply to Tapwire's programs.
    throw toError(messageOf(cause).split(/\.\s+(?=[A-Z])|\.$/, 1)[0] ?? '', cause);
  }
}
