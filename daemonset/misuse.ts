import { BindingError } from '../shared/errors.ts';

/** The error of a command line that cannot be followed. */
export const misuse = (reason: string, cause?: unknown): BindingError =>
  new BindingError('INVALID_CONFIG', `Cannot read the options: ${reason}; see --help`, { cause });
