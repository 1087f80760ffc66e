import {
  BINDING_KINDS,
  BINDINGS,
  type BindingKind,
  FORMS,
  hasChoiceOfMigration,
} from '../../nad/bindings.ts';
import { exampleVms } from '../../nad/generate/example-vm.ts';
import { NAMESPACES } from '../../nad/generate/files.ts';
import { type Namespaces, nadOf } from '../../nad/generate/nad.ts';
import type { Registration } from '../../nad/generate/plugin.ts';
import { gatePatch, hyperConvergedPatch, kubevirtPatch } from '../../nad/generate/registration.ts';
import { type Manifest, toYaml } from '../../nad/generate/yaml.ts';
import {
  FIELD_SINCE,
  LAST_GATED_MINOR,
  NEWEST_MINOR,
  parseKubevirtVersion,
} from '../../nad/kubevirt-versions.ts';
import { type Decoder, mismatch, oneOf, string } from '../../shared/decode.ts';
import { type Command, readArguments, usageError } from '../command.ts';

const NAME = 'tapwire manifests';
const PARTS = ['nad', 'registration', 'gate', 'vm'] as const;
type Part = (typeof PARTS)[number];

const HELP = `Usage: ${NAME} --binding KIND [options]

Prints what makes a binding known to a cluster, and example VMs: YAML with comments that say what to do with each part.
The files in nad/ are what it prints without further options.

  --binding KIND      ${BINDING_KINDS.join(', ')}; may be given several times
                        tap      the guest on the pod's link, by a redirect; the network gives it its address
                        tap-mq   the same for VMs with networkInterfaceMultiqueue and two or more vCPUs
                        tap-secondary, tap-secondary-mq
                                 the same two for secondary networks: one that makes no link in the pod is rejected, and
                                 never gets the pod's own
                        passt    the guest's connections are the pod's; for pod links of any kind, primary network only
                        slirp    QEMU's own network; slow, needs nothing of the nodes
  --kubevirt VERSION  the cluster's KubeVirt, 1.1.1 or newer (default 1.${NEWEST_MINOR}): fields differ
  --hco               the HyperConverged operator manages KubeVirt: register the binding with that
  --form FORM         who names the NetworkAttachmentDefinition (default binding)
                        binding  the registration: VMs only name the binding
                        network  the VM's network: Tapwire stands behind the plugin that makes the pod link
  --part PART         only this part: nad, registration, gate (KubeVirt up to 1.${LAST_GATED_MINOR}) or vm; may be given several times
  --namespace NS      of the VMs, and of the networks that they name (default "${NAMESPACES.network}")
  --nad-namespace NS  of the NAD that the registration names (default "${NAMESPACES.binding}"). Where Multus isolates namespaces,
                      only "default" and its "globalNamespaces" are in reach of all VMs
  --image IMAGE       the sidecar's image: passt and slirp need it; with it, a VM with the wrong number of queues
                      boots on a tap as well
  --migration HOW     let VMs on a tap of the primary network migrate live (default: they do not; KubeVirt 1.2 or newer)
                        keep     the cluster network moves address and MAC to the new node (OVN-Kubernetes, Kube-OVN)
                        refresh  the guest may get another address there: its link goes down and up, so it asks again
  --help              print this

Examples:
  ${NAME} --binding tap --kubevirt 1.5 --namespace vms
  ${NAME} --binding tap --part nad | kubectl apply -f -
  ${NAME} --binding tap --part registration > tap.yaml
  kubectl -n kubevirt patch kubevirt kubevirt --type=merge --patch-file=tap.yaml
  ${NAME} --binding passt --binding tap-mq --hco --image IMAGE

Next: "tapwire check FILE…" finds what does not fit together, before a VM does.
`;

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;

export const manifests: Command = {
  name: 'manifests',
  summary: 'print NetworkAttachmentDefinitions, the registration with KubeVirt, and example VMs',
  help: HELP,
  run(args) {
    const order = parseOrder(args);
    const made = order.kinds.flatMap((kind) => order.parts.flatMap((part) => MAKERS[part](kind, order)));
    // The gate is one for all bindings.
    const unique = [...new Map(made.map((manifest) => [manifest.file, manifest])).values()];
    return { stdout: unique.map(toYaml).join('---\n'), exitCode: 0 };
  },
};

/** What is to be printed. */
interface Order extends Omit<Registration, 'kind' | 'nadNamespace'> {
  readonly kinds: readonly BindingKind[];
  readonly parts: readonly Part[];
  readonly operator: 'kubevirt' | 'hco';
  readonly namespaces: Namespaces;
}

const MAKERS: Readonly<Record<Part, (kind: BindingKind, order: Order) => readonly Manifest[]>> = {
  nad: (kind, { form, namespaces }) => nadOf(kind, form, namespaces),
  registration(kind, { operator, ...order }) {
    const registration = { ...order, kind, nadNamespace: order.namespaces.binding };
    return [operator === 'hco' ? hyperConvergedPatch(registration) : kubevirtPatch(registration)];
  },
  gate: (_, { operator, minor }) =>
    operator === 'kubevirt' && minor <= LAST_GATED_MINOR ? [gatePatch()] : [],
  vm: (kind, { form, namespaces }) => exampleVms(kind, form, namespaces.network),
};

/** @throws {BindingError} INVALID_CONFIG */
function parseOrder(args: readonly string[]): Order {
  const { values } = readArguments(NAME, {
    args: [...args],
    options: {
      binding: texts,
      kubevirt: { ...text, default: `1.${NEWEST_MINOR}` },
      hco: { type: 'boolean', default: false },
      form: { ...text, default: 'binding' },
      part: { ...texts, default: [...PARTS] },
      namespace: { ...text, default: NAMESPACES.network },
      'nad-namespace': { ...text, default: NAMESPACES.binding },
      image: text,
      migration: text,
    },
  });
  if (values.binding === undefined)
    throw usageError(NAME, `want --binding with one of ${BINDING_KINDS.join(', ')}`);
  const order: Order = {
    kinds: values.binding.map((kind) => oneOf(...BINDING_KINDS)(kind, '--binding')),
    parts: values.part.map((part) => oneOf(...PARTS)(part, '--part')),
    form: oneOf(...FORMS)(values.form, '--form'),
    operator: values.hco ? 'hco' : 'kubevirt',
    minor: parseKubevirtVersion(values.kubevirt),
    namespaces: {
      binding: namespace(values['nad-namespace'], '--nad-namespace'),
      network: namespace(values.namespace, '--namespace'),
    },
    image: values.image === undefined ? null : image(values.image, '--image'),
    migration:
      values.migration === undefined
        ? null
        : MIGRATIONS[oneOf('keep', 'refresh')(values.migration, '--migration')],
  };
  refuseWhatCannotBe(order);
  return order;
}

const MIGRATIONS = { keep: {}, refresh: { method: 'link-refresh' } } as const;

/** What would be left out in silence is refused. */
function refuseWhatCannotBe({ kinds, form, minor, migration }: Order): void {
  const bare = kinds.find((kind) => !BINDINGS[kind].forms.includes(form));
  if (bare !== undefined) {
    const able = BINDING_KINDS.filter((kind) => BINDINGS[kind].forms.includes(form));
    throw usageError(NAME, `--form ${form} is for ${able.join(', ')}, not for ${bare}`);
  }
  if (migration === null) return;
  const other = kinds.find((kind) => !hasChoiceOfMigration(BINDINGS[kind]));
  if (other !== undefined)
    throw usageError(NAME, `--migration is for tap and tap-mq; ${other} leaves no choice`);
  if (minor < FIELD_SINCE.migration) {
    throw usageError(
      NAME,
      `--migration wants KubeVirt 1.${FIELD_SINCE.migration} or newer; 1.${minor} drops the field`,
    );
  }
}

/** RFC 1123's label. */
const namespace = matching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'the name of a namespace');
const image = matching(/^[a-zA-Z0-9][\w.:@/-]{0,1023}$/, 'the name of an image');

function matching(pattern: RegExp, want: string): Decoder<string> {
  return (value, path) => {
    if (!pattern.test(string(value, path))) throw mismatch(path, want, value);
    return value as string;
  };
}
