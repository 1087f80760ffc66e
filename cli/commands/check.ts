import { checkSources, type Report } from '../../nad/check/check.ts';
import { toLine } from '../../nad/check/finding.ts';
import { listOf } from '../../nad/check/list.ts';
import { NEWEST_MINOR, parseKubevirtVersion } from '../../nad/kubevirt-versions.ts';
import { BindingError } from '../../shared/errors.ts';
import { printableJson } from '../../shared/printable.ts';
import { type Command, type Outcome, readArguments, usageError } from '../command.ts';
import { versionWarnings } from '../version-warnings.ts';

const NAME = 'tapwire check';

const HELP = `Usage: ${NAME} [options] FILE…

Finds mistakes in NetworkAttachmentDefinitions, in registrations with KubeVirt (the KubeVirt or HyperConverged CR, or
patches of them), in VMs and their preferences, and in files of /etc/cni/net.d. It reports what KubeVirt rejects, and
what KubeVirt silently accepts but leaves a VM without a network. It reads YAML and JSON as Kubernetes does, and treats
all files as one cluster. "-" is stdin. If there are nodes, it compares the devices that they offer with those that
running VMs need. It skips objects of other kinds.

  --kubevirt VERSION  KubeVirt version of the cluster, 1.1.1 or newer; fields that it does not know are errors (default:
                      the version in the status of a KubeVirt CR in FILE, or else 1.${NEWEST_MINOR})
  --json              print {"findings": [{"file", "line", "severity", "message"}], "checked", "skipped"}
  --help              print this help

Prints one line for each finding: FILE:LINE: error|warning|advice: what is wrong; what to do. stderr has the counts, and
says which bindings of VMs were not checked, because FILE has no KubeVirt or HyperConverged CR, and which networks,
because FILE does not have their NetworkAttachmentDefinitions.
Exit status: 0 no errors, 1 errors found, 2 usage error, unreadable file, or nothing to check.

Input that would take too long to parse is an error: check a cluster of more than 5,000 VMs one namespace at a time.

Examples:
  ${NAME} nad/tap/*.yaml my-vms.yaml
  ${NAME} --kubevirt 1.3 manifests/*.yaml
  kubectl get kubevirt,network-attachment-definitions,vm,virtualmachineclusterpreferences -A -o yaml | ${NAME} -

Next: "tapwire manifests" prints manifests that pass this check.
`;

export const check: Command = {
  name: 'check',
  summary: 'find mistakes in NADs, registrations and VMs before a VM fails',
  help: HELP,
  run(args, input) {
    const { values, positionals } = readArguments(NAME, {
      args: [...args],
      allowPositionals: true,
      options: {
        kubevirt: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    if (positionals.length === 0) throw usageError(NAME, 'want the files to check, or "-" for stdin');
    const minor = values.kubevirt === undefined ? null : parseKubevirtVersion(values.kubevirt);
    const files = [...new Set(positionals)];
    const report = checkSources(
      files.map((file) => ({ file, text: input.read(file) })),
      minor,
    );
    if (report.checked === 0 && report.findings.length === 0) throw nothingIn(files);
    const hasErrors = report.findings.some(({ severity }) => severity === 'error');
    const notes = [...versionWarnings(report.minor), ...uncheckedOf(report)];
    const { stdout, stderr = '' } = values.json ? toJson(report) : toText(report);
    const exitCode = hasErrors ? 1 : 0;
    return { stdout, stderr: `${notes.map((line) => `${line}\n`).join('')}${stderr}`, exitCode };
  },
};

/**
 * Fails if no object was checked: otherwise a broken pipe or the wrong files would look like
 * success.
 */
function nothingIn(files: readonly string[]): BindingError {
  const names = files.map((file) => JSON.stringify(file)).join(', ');
  const reason = `${files.length === 1 ? 'it contains' : 'they contain'} no NetworkAttachmentDefinition, registration or VM`;
  return new BindingError('INVALID_CONFIG', `Cannot check ${names}: ${reason}; check the input`);
}

function toText(report: Report): Pick<Outcome, 'stdout' | 'stderr'> {
  const stdout = report.findings.map((finding) => `${toLine(finding)}\n`).join('');
  return { stdout, stderr: `${summaryOf(report)}\n` };
}

/** Says what VMs name and the input does not have, which "0 errors" would hide. */
const uncheckedOf = (report: Report): readonly string[] => [
  ...uncheckedBindings(report),
  ...uncheckedNetworks(report),
];

function uncheckedBindings({ unknownBindings }: Report): readonly string[] {
  if (unknownBindings.length === 0) return [];
  const names = `${unknownBindings.length === 1 ? 'binding' : 'bindings'} ${listOf(unknownBindings)}`;
  return [`Not checked: registration of ${names}; the input has no KubeVirt or HyperConverged CR`];
}

function uncheckedNetworks({ unknownNads }: Report): readonly string[] {
  if (unknownNads.length === 0) return [];
  const [networks, nads] =
    unknownNads.length === 1
      ? ['network', 'its NetworkAttachmentDefinition is']
      : ['networks', 'their NetworkAttachmentDefinitions are'];
  return [`Not checked: ${networks} ${listOf(unknownNads)}: ${nads} not in the input`];
}

/** Counts objects as well as findings, because "0 errors" says little if no object was checked. */
function summaryOf({ findings, checked, skipped }: Report): string {
  const of = (wanted: string) => findings.filter(({ severity }) => severity === wanted).length;
  const counts = `${count(of('error'), 'error')}, ${count(of('warning'), 'warning')}`;
  const advice = of('advice') > 0 ? `, ${count(of('advice'), 'piece')} of advice` : '';
  return `${count(checked, 'object')} checked, ${skipped} of other kinds skipped: ${counts}${advice}`;
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

function toJson({ findings, checked, skipped }: Report): Pick<Outcome, 'stdout' | 'stderr'> {
  const flat = findings.map(({ severity, place: { file, line }, message }) => ({
    file,
    line,
    severity,
    message,
  }));
  return { stdout: printableJson({ findings: flat, checked, skipped }) };
}
