import { BindingError } from '../shared/errors.ts';
import { type Command, type Input, usageError } from './command.ts';

/** What the process is to do at its end. */
export interface Ending {
  readonly stdout: string;
  readonly stderr: string;
  /** 0: done, or nothing wrong; 1: something is not as it should be; 2: the command could not be followed. */
  readonly exitCode: 0 | 1 | 2;
}

/** Follows a command line. Errors of ours become text; others are bugs and are thrown on. */
export async function dispatch(
  commands: readonly Command[],
  version: string,
  args: readonly string[],
  input: Input,
): Promise<Ending> {
  const [name = '--help', ...rest] = args;
  if (name === '--help' || name === 'help') return printed(overview(commands));
  if (name === '--version') return printed(`${version}\n`);
  const command = commands.find((candidate) => candidate.name === name);
  try {
    if (command === undefined) throw usageError('tapwire', `there is no command ${JSON.stringify(name)}`);
    if (beforeOperands(rest).includes('--help')) return printed(command.help);
    return { stderr: '', ...(await command.run(rest, input)) };
  } catch (error) {
    if (error instanceof BindingError) return { stdout: '', stderr: `${error.message}\n`, exitCode: 2 };
    throw error;
  }
}

const printed = (stdout: string): Ending => ({ stdout, stderr: '', exitCode: 0 });

/** After `--` everything is an operand, a file named --help too. */
function beforeOperands(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return end === -1 ? args : args.slice(0, end);
}

function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(width)}   ${summary}`);
  return `Usage: tapwire COMMAND [options]

For those who run Tapwire, a network binding plugin for KubeVirt.

${rows.join('\n')}

"tapwire COMMAND --help" teaches a command, "tapwire --version" tells the version.
Status: 0 done, or nothing wrong; 1 something is not as it should be; 2 the command could not be followed.
`;
}
