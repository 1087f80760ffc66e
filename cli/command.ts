import type { ParseArgsConfig } from 'node:util';
import { readArguments as read } from '../shared/arguments.ts';
import { BindingError } from '../shared/errors.ts';

/** A subcommand: `tapwire NAME …`. */
export interface Command {
  readonly name: string;
  /** Its purpose, for the list of commands. */
  readonly summary: string;
  /** Text of `tapwire NAME --help`. */
  readonly help: string;
  /**
   * @throws {BindingError} if the command cannot run; its message goes to stderr, with exit status
   * 2
   */
  run(args: readonly string[], input: Input): Outcome | Promise<Outcome>;
}

/** File access of commands that do not look at the node. */
export interface Input {
  /** Reads a file, or stdin if the path is `-`. @throws {BindingError} IO_FAILURE */
  read(path: string): string;
}

export interface Outcome {
  readonly stdout: string;
  /** A summary for people; programs read only stdout. */
  readonly stderr?: string;
  /** 0: success; 1: problems found. */
  readonly exitCode: 0 | 1;
  /** A directory to write before the output, which is not printed if that fails. */
  readonly directory?: NewDirectory;
}

/** A directory that must be new or empty, and the text of each file in it, by its name. */
export interface NewDirectory {
  readonly path: string;
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Parses the arguments of a command.
 *
 * @throws {BindingError} INVALID_CONFIG, with a pointer to --help
 */
export const readArguments = <T extends ParseArgsConfig>(command: string, config: T) =>
  read(config, (reason, cause) => usageError(command, reason, cause));

/** Creates the error for wrong arguments. */
export function usageError(command: string, reason: string, cause?: unknown): BindingError {
  const message = `Cannot run "${command}": ${reason}; see "${command} --help"`;
  return new BindingError('INVALID_CONFIG', message, { cause });
}
