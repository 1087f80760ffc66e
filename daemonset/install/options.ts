import { readArguments, usageError } from '../../shared/arguments.ts';

export type Options =
  | {
      readonly command: 'install';
      /** The node's CNI bin directory, where it is mounted. */
      readonly binDirectory: string;
      /** What gets installed: `tapwire`, and the folder `.tapwire` with the runtime. */
      readonly source: string;
      /** Whether the runtime is installed as well, which works without an agent. */
      readonly hasFallback: boolean;
    }
  | { readonly command: 'uninstall'; readonly binDirectory: string; readonly agentSocket: string };

export const USAGE = `Usage: tapwire-install [install | uninstall] [options]

Puts the CNI plugin, and the runtime that it falls back to without an agent, into a node's CNI bin directory; or takes away what
it has put there, and nothing else. What runs meanwhile goes on undisturbed.

  --cni-bin-dir PATH   where the node's container runtime looks for plugins (default /opt/cni/bin)
  --from PATH          install: what to install (default: what the image brings)
  --no-fallback        install: the plugin alone, which then does nothing without an agent; saves 130 MB
  --agent-socket PATH  uninstall: the agent's socket, left by the last one (default /run/tapwire/agent.sock)
  --help               print this
  --version            print the version

Exit status: 0 success, 1 failure, 2 usage error.
`;

/**
 * @param beside the folder that the program lies in
 * @returns what was asked for: a command, or only to print something
 * @throws {BindingError} INVALID_CONFIG
 */
export function parseOptions(args: readonly string[], beside: string): Options | 'help' | 'version' {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      'cni-bin-dir': { type: 'string', default: '/opt/cni/bin' },
      from: { type: 'string' },
      'no-fallback': { type: 'boolean' },
      'agent-socket': { type: 'string' },
      help: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.version) return 'version';
  const [command = 'install', ...more] = positionals;
  const binDirectory = values['cni-bin-dir'];
  if (more.length === 0 && command === 'install') {
    refuse(values, command, ['agent-socket']);
    const source = values.from ?? `${beside}/../cni`;
    return { command, binDirectory, source, hasFallback: values['no-fallback'] !== true };
  }
  if (more.length === 0 && command === 'uninstall') {
    // --no-fallback stands in the arguments of a cluster that installed so, whatever comes before it
    refuse(values, command, ['from']);
    return { command, binDirectory, agentSocket: values['agent-socket'] ?? '/run/tapwire/agent.sock' };
  }
  throw usageError(`want install or uninstall, got ${JSON.stringify(positionals.join(' '))}`);
}

/** Whoever gives an option that has no effect believes something else. */
function refuse(values: Readonly<Record<string, unknown>>, command: string, names: readonly string[]): void {
  for (const name of names)
    if (values[name] !== undefined) throw usageError(`${command} has no option --${name}`);
}
