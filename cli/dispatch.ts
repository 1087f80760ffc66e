import { BindingError } from '../shared/errors.ts';
import { printableLines } from '../shared/printable.ts';
import { type Command, type Input, type NewDirectory, usageError } from './command.ts';

/** Output and exit status of the process. */
export interface Ending {
  readonly stdout: string;
  readonly stderr: string;
  /** 0: success; 1: problems found; 2: usage error or failure. */
  readonly exitCode: 0 | 1 | 2;
}

/**
 * Runs a command and writes its directory, if it has one. A BindingError becomes text on stderr;
 * any other error is a bug and is rethrown. stderr may quote files and arguments, so it is escaped.
 */
export async function dispatch(
  commands: readonly Command[],
  version: string,
  args: readonly string[],
  input: Input,
  write: (directory: NewDirectory) => void,
): Promise<Ending> {
  const [name = '--help', ...rest] = args;
  if (isHelp(name) || name === 'help') return printed(overview(commands));
  if (name === '--version') return printed(`${version}\n`);
  const command = commands.find((candidate) => candidate.name === name);
  try {
    if (command === undefined) throw usageError('tapwire', `there is no command ${JSON.stringify(name)}`);
    if (beforeOperands(rest).some(isHelp)) return printed(command.help);
    const { directory, stderr = '', ...ending } = await command.run(rest, input);
    if (directory !== undefined) write(directory);
    return { ...ending, stderr: printableLines(stderr) };
  } catch (error) {
    if (!(error instanceof BindingError)) throw error;
    return { stdout: '', stderr: `${printableLines(error.message)}\n`, exitCode: 2 };
  }
}

/** Documented is only --help, but many people type -h first. */
const isHelp = (arg: string): boolean => arg === '--help' || arg === '-h';

const printed = (stdout: string): Ending => ({ stdout, stderr: '', exitCode: 0 });

/** Arguments before `--`. All after it are operands, even a file named --help. */
function beforeOperands(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return end === -1 ? args : args.slice(0, end);
}

function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(width)}   ${summary}`);
  return `Usage: tapwire COMMAND [options]

Tools for administrators of Tapwire, a network binding plugin for KubeVirt.

${rows.join('\n')}

"tapwire COMMAND --help" explains a command; "tapwire --version" prints the version.
Exit status: 0 success, 1 problems found, 2 usage error or failure.
`;
}
