import { BindingError } from '../../shared/errors.ts';
import { type Command, readArguments, usageError } from '../command.ts';
import { inspectNetns, inspectNode } from '../inspect/inspect.ts';
import type { Inspection } from '../inspect/inspection.ts';
import { defectsOf } from '../inspect/picture.ts';
import { drawSvg } from '../inspect/svg.ts';
import { COLOURS, drawText, listText, PLAIN } from '../inspect/text.ts';

const NAME = 'tapwire inspect';

const HELP = `Usage: ${NAME} [options] [NETNS | POD]

Shows how Tapwire has wired a pod: the pod link, the tap, the redirects between them with their counters, the processes
that have the tap open, and each difference from the state after ADD. Without an argument, it prints one line for each
wired netns of this node. Run it as root on the node. It changes nothing, delays no CNI call, and needs neither the
agent nor the container runtime.

  NETNS    a path, a name under /run/netns, or the pid of a process in it
  POD      NAMESPACE/NAME, or the id of its sandbox or of one of its containers; the first 8 digits are enough

  --json   print {"netns", "pod", "attachments", "strays", "sysctls", "passt"}, or an array of these without an argument
  --svg    print a picture for a bug report; it shows MACs, IP addresses and the pod's name
  --help   print this help

Output to a terminal is coloured, unless NO_COLOR is set.
Exit status: 0 all is as ADD left it, 1 problems found, 2 usage error, or the netns cannot be found or entered.

Examples:
  ${NAME}
  ${NAME} vms/virt-launcher-vm1-abcde
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
      options: { json: { type: 'boolean', default: false }, svg: { type: 'boolean', default: false } },
    });
    const [subject, ...more] = positionals;
    if (more.length > 0) throw usageError(NAME, `want one netns or pod, got ${positionals.length}`);
    if (values.svg && values.json) throw usageError(NAME, 'want --svg or --json, not both');
    if (values.svg && subject === undefined) throw usageError(NAME, '--svg draws one netns or pod: name it');
    if (process.geteuid?.() !== 0) throw notRoot(subject);
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

function notRoot(subject: string | undefined): BindingError {
  const what = subject === undefined ? 'the pods of this node' : `"${subject}"`;
  const reason = 'only root on the node can enter other network namespaces; run it with sudo';
  return new BindingError('NOT_ALLOWED', `Cannot inspect ${what}: ${reason}`);
}

const toJson = (value: unknown) => ({ stdout: `${JSON.stringify(value, null, 2)}\n` });

const toList = (stdout: string, all: readonly Inspection[]) =>
  all.length > 0 ? { stdout } : { stdout: '', stderr: 'Tapwire has wired no netns of this node.\n' };

const statusOf = (all: readonly Inspection[]): 0 | 1 =>
  all.some((one) => defectsOf(one).length > 0) ? 1 : 0;
