import { BindingError } from '../../shared/errors.ts';
import { printableJson } from '../../shared/printable.ts';
import { inspectVmi } from '../cluster/inspect.ts';
import { interruptible } from '../cluster/interruption.ts';
import { drawPods, statusOfPods, toPodJson } from '../cluster/pod-text.ts';
import { parseTimeout, TIMEOUT } from '../cluster/timeout.ts';
import { type Command, type Outcome, readArguments, usageError } from '../command.ts';
import { enterRoot } from '../enter-root.ts';
import { inspectNetns, inspectNode } from '../inspect/inspect.ts';
import type { Inspection } from '../inspect/inspection.ts';
import { defectsOf } from '../inspect/picture.ts';
import { drawSvg } from '../inspect/svg.ts';
import { COLOURS, drawText, listText, PLAIN } from '../inspect/text.ts';

const NAME = 'tapwire inspect';

const HELP = `Usage: ${NAME} [options] [NETNS | POD]
       ${NAME} --cluster [options] NAMESPACE/VMI

Shows how Tapwire has wired a pod: the pod link, the tap, the redirects between them with their counters, the processes
that have the tap open, and each difference from the state after ADD. Of a macvtap, it shows the lower device and the
device node. Without an argument, it prints one line for each wired netns of this node. Run it as root on the node. It
changes nothing, delays no CNI call, and needs neither the agent nor the container runtime.

With --cluster, it finds the VMI's pod, or both pods of a migration, from any machine whose kubectl reaches the cluster.
On the node of each pod, it runs itself in a Job with the agent's image, and deletes the Job.

  NETNS              a path, a name under /run/netns, or the pid of a process in it
  POD                NAMESPACE/NAME, or the id of its sandbox or of one of its containers; the first 8 digits are enough

  --json             print {"netns", "pod", "attachments", "strays", "sysctls", "passt"}, or an array of these without an
                     argument; with --cluster [{"pod", "node", "inspection", "failure"}]
  --svg              print a picture for a bug report; it shows MACs, IP addresses and the pod's name
  --cluster          inspect the pods of a VMI; needs kubectl
  --timeout SECONDS  with --cluster: how long to wait for each pod (default ${TIMEOUT})
  --root DIR         inspect the node whose "/" is mounted at DIR, from a container
  --help             print this help

Output to a terminal is coloured, unless NO_COLOR is set.
Exit status: 0 all is as ADD left it, 1 problems found, or a pod of --cluster has no result, 2 usage error, or the netns
cannot be found or entered.

Examples:
  ${NAME}
  ${NAME} vms/virt-launcher-vm1-abcde
  ${NAME} --cluster vms/vm1
  ${NAME} --svg $(pgrep -f guest=vms_vm1) >wiring.svg

Next: "tapwire doctor" checks the node itself; docs/troubleshooting.md explains errors.
`;

export const inspect: Command = {
  name: 'inspect',
  summary: 'show how the pods of this node are wired',
  help: HELP,
  async run(args) {
    const { values, positionals } = readArguments(NAME, {
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        svg: { type: 'boolean', default: false },
        root: { type: 'string' },
        cluster: { type: 'boolean', default: false },
        timeout: { type: 'string' },
      },
    });
    const [subject, ...more] = positionals;
    if (more.length > 0) throw usageError(NAME, `want one netns or pod, got ${positionals.length}`);
    if (values.svg && values.json) throw usageError(NAME, 'want --svg or --json, not both');
    if (values.svg && subject === undefined) throw usageError(NAME, '--svg draws one netns or pod: name it');
    if (values.cluster) {
      if (values.svg || values.root !== undefined) {
        throw usageError(NAME, '--cluster cannot be combined with --svg or --root');
      }
      if (subject === undefined || !VMI.test(subject)) {
        throw usageError(NAME, `--cluster: want NAMESPACE/VMI, got ${JSON.stringify(subject ?? '')}`);
      }
      return inspectPods(subject, parseTimeout(NAME, values.timeout ?? TIMEOUT), values.json);
    }
    if (values.timeout !== undefined) throw usageError(NAME, '--timeout needs --cluster');
    if (process.geteuid?.() !== 0) throw notRoot(subject);
    if (values.root !== undefined) enterRoot(values.root);
    const style = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '' ? COLOURS : PLAIN;
    if (subject === undefined) {
      const all = await inspectNode();
      return { ...(values.json ? toJson(all) : toList(listText(all, style), all)), exitCode: statusOf(all) };
    }
    const one = await inspectNetns(subject);
    if (values.json) return { ...toJson(one), exitCode: statusOf([one]) };
    return { stdout: values.svg ? drawSvg(one) : drawText(one, style), exitCode: statusOf([one]) };
  },
};

/** Names as Kubernetes allows them. */
const VMI = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/;

async function inspectPods(subject: string, timeout: number, isJson: boolean): Promise<Outcome> {
  const args = isJson ? ['--json'] : [];
  const { reports, leftovers } = await interruptible((signal) => inspectVmi(subject, args, timeout, signal));
  return {
    ...(isJson ? toJson(toPodJson(reports)) : { stdout: drawPods(reports) }),
    stderr: leftovers.map((line) => `${line}\n`).join(''),
    exitCode: statusOfPods(reports),
  };
}

function notRoot(subject: string | undefined): BindingError {
  const what = subject === undefined ? 'the pods of this node' : `"${subject}"`;
  const reason = 'only root on the node can enter other network namespaces; run it with sudo';
  return new BindingError('NOT_ALLOWED', `Cannot inspect ${what}: ${reason}`);
}

const toJson = (value: unknown) => ({ stdout: printableJson(value) });

const toList = (stdout: string, all: readonly Inspection[]) =>
  all.length > 0 ? { stdout } : { stdout: '', stderr: 'Tapwire has wired no netns of this node.\n' };

const statusOf = (all: readonly Inspection[]): 0 | 1 =>
  all.some((one) => defectsOf(one).length > 0) ? 1 : 0;
