import { type ParseArgsConfig, parseArgs } from 'node:util';
import { BindingError, messageOf } from '../shared/errors.ts';

/**
 * Node's own parser, strict, with errors that say where to find help.
 *
 * @throws {BindingError} INVALID_CONFIG
 */
export function readArguments<T extends ParseArgsConfig>(config: T) {
  try {
    return parseArgs<T>(config);
  } catch (cause) {
    // What follows the first sentence is advice about `--` and positional arguments, for other programs than ours.
    throw misuse(messageOf(cause).split(/\.\s+(?=[A-Z])/, 1)[0] ?? '', cause);
  }
}

/** The error of a command line that cannot be followed. */
export const misuse = (reason: string, cause?: unknown): BindingError =>
  new BindingError('INVALID_CONFIG', `Cannot read the options: ${reason}; see --help`, { cause });
