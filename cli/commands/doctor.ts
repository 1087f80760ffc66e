import tapwire from '../../package.json' with { type: 'json' };
import { BindingError } from '../../shared/errors.ts';
import { printable, printableJson } from '../../shared/printable.ts';
import { diagnoseCluster } from '../cluster/doctor.ts';
import { interruptible } from '../cluster/interruption.ts';
import { drawTable, isBad, summarise } from '../cluster/node-table.ts';
import { parseTimeout, TIMEOUT } from '../cluster/timeout.ts';
import { type Command, type Outcome, readArguments, usageError } from '../command.ts';
import type { Diagnosis } from '../doctor/diagnosis.ts';
import { toFindings } from '../doctor/findings.ts';
import { probe } from '../doctor/probe.ts';

const NAME = 'tapwire doctor';

const HELP = `Usage: ${NAME} [options]
       ${NAME} --cluster [options] [NODE…]

Checks whether this node can wire pods: kernel, /dev/net/tun, SELinux, the plugin and its fallback, the agent and the
node policy file. It also checks that the container runtime calls Multus first, and Tapwire only through Multus. If the
node policy file has $.macvtap, it checks the lower devices, kubelet and the resources. Run it as root on the node. It
creates two taps in a temporary network namespace, with $.macvtap calls ADD for another one, and changes nothing else.

With --cluster, it checks all nodes that the DaemonSet selects, or only the named ones, from any machine whose kubectl
reaches the cluster: for each node, it runs itself in a Job with the agent's image, at most 16 at once, and deletes the
Job.

  --cluster          check all nodes, or each NODE, and print one table; needs kubectl
  --timeout SECONDS  with --cluster: how long to wait for each node (default ${TIMEOUT})
  --root DIR         check the node whose "/" is mounted at DIR, from a container
  --cni-bin-dir DIR  directory of CNI plugins, if this node has them at an unusual place; can be given several times
  --json             print [{"severity", "what", "found", "advice"}]; with --cluster [{"node", "findings", "failure"}]
  --help             print this help

Prints one line for each check: ok|warning|error  WHAT: what was found; what to do.
Exit status: 0 no errors, 1 errors found, or a node did not reply, 2 usage error or failure.

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
        root: { type: 'string' },
        cluster: { type: 'boolean', default: false },
        timeout: { type: 'string' },
      },
    });
    if (positionals.length > 0 && !values.cluster)
      throw usageError(
        NAME,
        'want no arguments; it checks the node that it runs on. To name nodes, add --cluster',
      );
    const directories = values['cni-bin-dir'];
    if (values.cluster) {
      if (values.root !== undefined) throw usageError(NAME, '--cluster cannot be combined with --root');
      const timeout = parseTimeout(NAME, values.timeout ?? TIMEOUT);
      return diagnoseNodes(positionals, directories, timeout, values.json);
    }
    if (values.timeout !== undefined) throw usageError(NAME, '--timeout needs --cluster');
    if (process.geteuid?.() !== 0) {
      throw new BindingError('NOT_ALLOWED', 'Cannot check this node: only root can do it; run it with sudo');
    }
    const findings = toFindings(await probe(tapwire.version, directories, values.root ?? null));
    const stdout = values.json
      ? printableJson(findings)
      : findings.map((finding) => `${toLine(finding)}\n`).join('');
    return { stdout, exitCode: findings.some(({ severity }) => severity === 'error') ? 1 : 0 };
  },
};

async function diagnoseNodes(
  names: readonly string[],
  directories: readonly string[],
  timeout: number,
  isJson: boolean,
): Promise<Outcome> {
  const args = directories.flatMap((directory) => ['--cni-bin-dir', directory]);
  const { reports, leftovers } = await interruptible((signal) =>
    diagnoseCluster(names, args, timeout, signal),
  );
  return {
    stdout: isJson ? printableJson(reports) : drawTable(reports),
    stderr: [summarise(reports), ...leftovers.map((line) => `${line}\n`)].join(''),
    exitCode: reports.some(isBad) ? 1 : 0,
  };
}

function toLine({ severity, what, found, advice }: Diagnosis): string {
  return printable(`${severity.padEnd(7)}  ${what}: ${found}${advice === null ? '' : `; ${advice}`}`);
}
