import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type BindingError, messageOf } from './errors.ts';

/**
 * Node's own parser, strict, with an error of the caller's.
 *
 * @param misuse the error of a command line that cannot be followed, for that reason; it says where to find help
 * @throws what `misuse` makes
 */
export function readArguments<T extends ParseArgsConfig>(
  config: T,
  misuse: (reason: string, cause: unknown) => BindingError,
) {
  try {
    return parseArgs<T>(config);
  } catch (cause) {
    // What follows the first sentence is advice about `--` and positional arguments, for other programs than ours.
    throw misuse(messageOf(cause).split(/\.\s+(?=[A-Z])|\.$/, 1)[0] ?? '', cause);
  }
}
