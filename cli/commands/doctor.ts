import tapwire from '../../package.json' with { type: 'json' };
import { BindingError } from '../../shared/errors.ts';
import { printable } from '../../shared/printable.ts';
import { type Command, readArguments, usageError } from '../command.ts';
import type { Diagnosis } from '../doctor/diagnosis.ts';
import { toFindings } from '../doctor/findings.ts';
import { probe } from '../doctor/probe.ts';

const NAME = 'tapwire doctor';

const HELP = `Usage: ${NAME} [options]

Checks whether this node can wire pods: kernel, /dev/net/tun, SELinux, the plugin and its fallback, the agent and the
node policy file. It also checks that the container runtime calls Multus first, and Tapwire only through Multus. Run it
as root on the node. It creates two taps in a temporary network namespace and changes nothing else.

  --cni-bin-dir DIR  directory of CNI plugins, if this node has them at an unusual place; can be given several times
  --json             print [{"severity", "what", "found", "advice"}]
  --help             print this help

Prints one line for each check: ok|warning|error  WHAT: what was found; what to do.
Exit status: 0 no errors, 1 errors found, 2 usage error or failure.

Next: "tapwire inspect" shows how pods are wired; docs/troubleshooting.md explains errors.
`;

export const doctor: Command = {
  name: 'doctor',
  summary: 'check whether this node can wire pods, and what to do if not',
  help: HELP,
  async run(args) {
    const { values, positionals } = readArguments(NAME, {
      args: [...args],
      allowPositionals: true,
      options: {
        'cni-bin-dir': { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
      },
    });
    if (positionals.length > 0)
      throw usageError(NAME, 'want no arguments; it checks the node that it runs on');
    if (process.geteuid?.() !== 0) {
      throw new BindingError('NOT_ALLOWED', 'Cannot check this node: only root can do it; run it with sudo');
    }
    const findings = toFindings(await probe(tapwire.version, values['cni-bin-dir']));
    const stdout = values.json
      ? `${JSON.stringify(findings, null, 2)}\n`
      : findings.map((finding) => `${toLine(finding)}\n`).join('');
    return { stdout, exitCode: findings.some(({ severity }) => severity === 'error') ? 1 : 0 };
  },
};

function toLine({ severity, what, found, advice }: Diagnosis): string {
  return printable(`${severity.padEnd(7)}  ${what}: ${found}${advice === null ? '' : `; ${advice}`}`);
}
