import { BindingError } from '../../shared/errors.ts';
import { type Command, readArguments, usageError } from '../command.ts';
import { inspectNetns, inspectNode } from '../inspect/inspect.ts';
import type { Inspection } from '../inspect/inspection.ts';
import { defectsOf } from '../inspect/picture.ts';
import { drawSvg } from '../inspect/svg.ts';
import { COLOURS, drawText, listText, PLAIN } from '../inspect/text.ts';

const NAME = 'tapwire inspect';

const HELP = `Usage: ${NAME} [options] [NETNS | POD]

Shows what Tapwire has wired in a pod's network namespace: the pod link, the tap, the redirects between them and what they have
carried, who holds the tap, and what is not as ADD left it. Run it as root on the node; it changes nothing, needs neither agent
nor runtime, and keeps no call waiting. Without an argument: a line for each netns of the node that has something of Tapwire's.

  NETNS    a path, a name below /run/netns, or the pid of a process in it
  POD      NAMESPACE/NAME, or the id of its sandbox or a container of it, of which the first 8 digits will do

  --json   print {"netns", "pod", "attachments", "strays", "sysctls", "passt"}; without an argument an array of these
  --svg    print a picture, for a bug report: it shows MACs, IP addresses and the pod's name
  --help   print this

Colours are for terminals only, and not where NO_COLOR is set. Status: 0 all is as ADD left it, 1 something is not, 2 what to
inspect cannot be found or entered.

Examples:
  ${NAME}
  ${NAME} vms/virt-launcher-vm1-abcde
  ${NAME} --svg $(pgrep -f guest=vms_vm1) >wiring.svg

Next: "tapwire doctor" checks the node itself; docs/troubleshooting.md says what errors mean.
`;

export const inspect: Command = {
  name: 'inspect',
  summary: 'draw what is wired in a pod of this node',
  help: HELP,
  async run(args) {
    const { values, positionals } = readArguments(NAME, {
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, svg: { type: 'boolean', default: false } },
    });
    const [subject, ...more] = positionals;
    if (more.length > 0) throw usageError(NAME, `want one netns or pod, got ${positionals.length}`);
    if (values.svg && (values.json || subject === undefined)) {
      throw usageError(
        NAME,
        '--svg draws one netns or pod, which must be named, and does not go with --json',
      );
    }
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
  const reason = 'it takes root on the node to enter the network namespaces of others; run it with sudo';
  return new BindingError('NOT_ALLOWED', `Cannot inspect ${what}: ${reason}`);
}

const toJson = (value: unknown) => ({ stdout: `${JSON.stringify(value, null, 2)}\n` });

const toList = (stdout: string, all: readonly Inspection[]) =>
  all.length > 0 ? { stdout } : { stdout: '', stderr: 'No netns of this node has anything of Tapwire.\n' };

const statusOf = (all: readonly Inspection[]): 0 | 1 =>
  all.some((one) => defectsOf(one).length > 0) ? 1 : 0;
