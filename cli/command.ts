import type { ParseArgsConfig } from 'node:util';
import { readArguments as read } from '../shared/arguments.ts';
import { BindingError } from '../shared/errors.ts';

/** A subcommand: `tapwire NAME …`. */
export interface Command {
  readonly name: string;
  /** What it is for, in the list of commands. */
  readonly summary: string;
  /** The whole of `tapwire NAME --help`. */
  readonly help: string;
  /** @throws {BindingError} when it cannot do what it is asked: the message goes to stderr, and the status is 2 */
  run(args: readonly string[], input: Input): Outcome | Promise<Outcome>;
}

/** The world, as far as commands that only read need it. */
export interface Input {
  /** The text of a file; of stdin for `-`. @throws {BindingError} IO_FAILURE */
  read(path: string): string;
}

export interface Outcome {
  readonly stdout: string;
  /** What a reader of the results wants to know but a program does not. */
  readonly stderr?: string;
  /** 1: what was looked at is not as it should be. */
  readonly exitCode: 0 | 1;
}

/** @throws {BindingError} INVALID_CONFIG that says where to find help */
export const readArguments = <T extends ParseArgsConfig>(command: string, config: T) =>
  read(config, (reason, cause) => usageError(command, reason, cause));

/** The error of a command line that cannot be followed. */
export function usageError(command: string, reason: string, cause?: unknown): BindingError {
  const message = `Cannot run "${command}": ${reason}; see "${command} --help"`;
  return new BindingError('INVALID_CONFIG', message, { cause });
}
