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
import { gatePatch, hyperConvergedPatch, kubevirtPatch } from '../../nad/generate/patches.ts';
import type { Registration } from '../../nad/generate/registration.ts';
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
type ManifestPart = (typeof PARTS)[number];

const HELP = `Usage: ${NAME} --binding KIND [options]

Prints the manifests that add a binding to a cluster, and example VMs. Comments in the YAML say how to use each part.
The files in nad/ are its output without further options.

  --binding KIND      ${BINDING_KINDS.join(', ')}; can be given several times
                        tap      redirects all frames between pod link and guest; the guest gets its address from the
                                 network
                        tap-mq   the same, for VMs with networkInterfaceMultiqueue and two or more vCPUs
                        tap-secondary, tap-secondary-mq
                                 the same two, for secondary networks: a network that creates no link in the pod is
                                 rejected, instead of getting the pod's own link
                        passt    passes connections through sockets of the pod; for pod links of any kind, and for the
                                 primary network only
                        slirp    QEMU's user-mode network; slow, but needs nothing on the nodes
  --kubevirt VERSION  KubeVirt version of the cluster, 1.1.1 or newer (default 1.${NEWEST_MINOR}); the fields depend on it
  --hco               the HyperConverged operator manages KubeVirt; print patches of its CR
  --form FORM         where the NetworkAttachmentDefinition is named (default binding)
                        binding  in the registration; VMs name only the binding
                        network  in the VM's network; Tapwire follows the plugin that creates the pod link
  --part PART         only this part: nad, registration, gate (KubeVirt up to 1.${LAST_GATED_MINOR}) or vm; can be given several times
  --namespace NS      namespace of the VMs and of their networks (default "${NAMESPACES.network}")
  --nad-namespace NS  namespace of the NAD in the registration (default "${NAMESPACES.binding}"). If Multus isolates namespaces, VMs
                      can use NADs of other namespaces only if those are in "default" or its "globalNamespaces"
  --image IMAGE       image of the sidecar, the same for all bindings; passt and slirp need it. With tap, it lets a VM
                      boot that has the wrong number of queues
  --migration HOW     let VMs with a tap on the primary network migrate live (KubeVirt 1.2 or newer; default: no)
                        keep     the cluster network moves address and MAC to the new node (OVN-Kubernetes, Kube-OVN)
                        refresh  the guest may get another address; KubeVirt sets its link down and up, so it asks again
  --help              print this help

Examples:
  ${NAME} --binding tap --kubevirt 1.5 --namespace vms
  ${NAME} --binding tap --part nad | kubectl apply -f -
  ${NAME} --binding tap --part registration > tap.yaml
  kubectl -n kubevirt patch kubevirt kubevirt --type=merge --patch-file=tap.yaml
  ${NAME} --binding passt --binding tap-mq --hco --image IMAGE

Next: "tapwire check FILE…" finds mistakes before a VM fails.
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
    // All bindings share one feature gate.
    const unique = [...new Map(made.map((manifest) => [manifest.file, manifest])).values()];
    return { stdout: unique.map(toYaml).join('---\n'), exitCode: 0 };
  },
};

/** The decoded options: what to print. */
interface Order extends Omit<Registration, 'kind' | 'nadNamespace'> {
  readonly kinds: readonly BindingKind[];
  readonly parts: readonly ManifestPart[];
  readonly operator: 'kubevirt' | 'hco';
  readonly namespaces: Namespaces;
}

const MAKERS: Readonly<Record<ManifestPart, (kind: BindingKind, order: Order) => readonly Manifest[]>> = {
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
  rejectIneffective(order);
  return order;
}

const MIGRATIONS = { keep: {}, refresh: { method: 'link-refresh' } } as const;

/** Rejects options that would have no effect, because the manifests have no place for them. */
function rejectIneffective({ kinds, form, minor, migration }: Order): void {
  const bare = kinds.find((kind) => !BINDINGS[kind].forms.includes(form));
  if (bare !== undefined) {
    const able = BINDING_KINDS.filter((kind) => BINDINGS[kind].forms.includes(form));
    throw usageError(NAME, `--form ${form} is for ${able.join(', ')}, not for ${bare}`);
  }
  if (migration === null) return;
  const other = kinds.find((kind) => !hasChoiceOfMigration(BINDINGS[kind]));
  if (other !== undefined)
    throw usageError(NAME, `--migration is for tap and tap-mq; ${other} has no choice of migration`);
  if (minor < FIELD_SINCE.migration) {
    throw usageError(
      NAME,
      `--migration needs KubeVirt 1.${FIELD_SINCE.migration} or newer; 1.${minor} drops the field`,
    );
  }
}

/** A label of RFC 1123. */
const namespace = matching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'the name of a namespace');
const image = matching(/^[a-zA-Z0-9][\w.:@/-]{0,1023}$/, 'the name of an image');

function matching(pattern: RegExp, want: string): Decoder<string> {
  return (value, path) => {
    if (!pattern.test(string(value, path))) throw mismatch(path, want, value);
    return value as string;
  };
}
