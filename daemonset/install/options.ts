import { readArguments, usageError } from '../../shared/arguments.ts';

export type Options =
  | {
      readonly command: 'install';
      /** Path under which the node's CNI bin directory is mounted. */
      readonly binDirectory: string;
      /**
       * Directory with the files to install: `tapwire`, and the directory `.tapwire` with the
       * fallback.
       */
      readonly source: string;
      /** Whether to install the fallback too, which runs calls if there is no agent. */
      readonly hasFallback: boolean;
    }
  | { readonly command: 'uninstall'; readonly binDirectory: string; readonly agentSocket: string };

export const USAGE = `Usage: tapwire-install [install | uninstall] [options]

Installs the CNI plugin and its fallback, which runs calls if there is no agent, into a node's CNI bin directory; or removes
what it installed there, and nothing else. Calls and pods that run meanwhile are not disturbed.

  --cni-bin-dir PATH   directory in which the node's container runtime finds plugins (default /opt/cni/bin)
  --from PATH          install: directory to install from (default: the one in the image)
  --no-fallback        install: only the plugin, which then fails without an agent; saves 130 MB
  --agent-socket PATH  uninstall: socket of the last agent, to remove (default /run/tapwire/agent.sock)
  --help               print this
  --version            print the version

Exit status: 0 success, 1 failure, 2 usage error.
`;

/**
 * @param programDirectory the directory of this program
 * @returns the command with its options, or which text to print instead
 * @throws {BindingError} INVALID_CONFIG
 */
export function parseOptions(
  args: readonly string[],
  programDirectory: string,
): Options | 'help' | 'version' {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      'cni-bin-dir': { type: 'string', default: '/opt/cni/bin' },
      from: { type: 'string' },
      'no-fallback': { type: 'boolean' },
      'agent-socket': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.version) return 'version';
  const [command = 'install', ...more] = positionals;
  const binDirectory = values['cni-bin-dir'];
  if (more.length === 0 && command === 'install') {
    refuse(values, command, ['agent-socket']);
    const source = values.from ?? `${programDirectory}/../cni`;
    return { command, binDirectory, source, hasFallback: values['no-fallback'] !== true };
  }
  if (more.length === 0 && command === 'uninstall') {
    // --no-fallback is accepted: a cluster that installed with it keeps the argument for uninstall
    refuse(values, command, ['from']);
    return { command, binDirectory, agentSocket: values['agent-socket'] ?? '/run/tapwire/agent.sock' };
  }
  throw usageError(`want install or uninstall, got ${JSON.stringify(positionals.join(' '))}`);
}

/** Rejects options that have no effect, because the caller expects one. */
function refuse(values: Readonly<Record<string, unknown>>, command: string, names: readonly string[]): void {
  for (const name of names)
    if (values[name] !== undefined) throw usageError(`${command} has no option --${name}`);
}
