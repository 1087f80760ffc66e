import { BINDING_KINDS, BINDINGS, type BindingKind, FORMS, type Form } from '../../nad/bindings.ts';
import { toDirectory } from '../../nad/generate/directory.ts';
import { exampleVms } from '../../nad/generate/example-vm.ts';
import { NAMESPACES } from '../../nad/generate/files.ts';
import { type Namespaces, nadOf } from '../../nad/generate/nad.ts';
import { gatePatch, hyperConvergedPatch, kubevirtPatch, OPENSHIFT } from '../../nad/generate/patches.ts';
import type { Registration } from '../../nad/generate/registration.ts';
import { type Manifest, THIS_FILE, toYaml } from '../../nad/generate/yaml.ts';
import {
  HCO_AHEAD,
  LAST_GATED_MINOR,
  NEWEST_MINOR,
  parseKubevirtVersion,
} from '../../nad/kubevirt-versions.ts';
import { oneOf } from '../../shared/decode.ts';
import { type Command, type Outcome, readArguments, usageError } from '../command.ts';
import { type ManifestPart, PARTS, whyAbsent } from '../manifests/absent.ts';
import { describeExamples } from '../manifests/examples.ts';
import { rejectIneffective } from '../manifests/ineffective.ts';
import { image, namespace } from '../manifests/names.ts';
import { versionWarnings } from '../version-warnings.ts';

const NAME = 'tapwire manifests';

const HELP = `Usage: ${NAME} --binding KIND [options]

Prints the manifests that add a binding to a cluster, and example VMs. Comments in the YAML say how to use each part.
nad/ has the same manifests with the default namespaces, for every version of KubeVirt.

  --binding KIND      one of these; can be given several times
                        tap      redirects all frames between pod link and guest; the guest gets its address from the
                                 network
                        tap-mq   the same, for VMs with networkInterfaceMultiqueue and two or more vCPUs
                        tap-pod-ip, tap-pod-ip-mq
                                 the same two, but the sidecar gives the guest the pod's own addresses, by DHCP, DHCPv6
                                 and router advertisements; for networks without DHCP, such as Calico's
                        tap-secondary, tap-secondary-mq
                                 tap and tap-mq, for secondary networks: a network that creates no link in the pod is
                                 rejected, instead of getting the pod's own link
                        macvtap  puts the guest on a link of the node, as a secondary network; needs entries in the node
                                 policy file
                        passt    passes connections through sockets of the pod; for pod links of any kind, and for the
                                 primary network only
                        slirp    QEMU's user-mode network; slow, but needs nothing on the nodes
  --kubevirt VERSION  KubeVirt version of the cluster, 1.1.1 or newer (default 1.${NEWEST_MINOR}); fields, comments and the gate
                      depend on it
  --hco               the HyperConverged operator manages KubeVirt; print patches of its CR. HyperConverged 1.N manages
                      KubeVirt 1.(N-${HCO_AHEAD}): for 1.15, write --kubevirt 1.5
  --form FORM         where the NetworkAttachmentDefinition is named (default binding; macvtap has only network)
                        binding  in the registration; VMs name only the binding
                        network  in the VM's network; Tapwire follows the plugin that creates the pod link, or creates
                                 that link (macvtap)
  --part PART         only this part: nad, registration, gate (KubeVirt up to 1.${LAST_GATED_MINOR}) or vm; can be given several times
  --namespace NS      namespace of the VMs and of their networks (default "${NAMESPACES.network}")
  --nad-namespace NS  namespace of the NAD in the registration (default "${NAMESPACES.binding}"). If Multus isolates namespaces, VMs
                      can use NADs of other namespaces only if those are in "default" or its "globalNamespaces"
  --image IMAGE       image of the sidecar: the one that the DaemonSet runs, which serves every binding. tap-pod-ip,
                      passt and slirp need it. With tap, it lets a VM boot that has the wrong number of queues
  --migration HOW     let VMs with a tap on the primary network migrate live (KubeVirt 1.2 or newer; default: no, but
                      refresh for tap-pod-ip); for tap, tap-pod-ip and those with -mq, and leaves other bindings in the
                      same command unchanged
                        keep     the cluster network moves address and MAC to the new node (OVN-Kubernetes, Kube-OVN)
                        refresh  the guest may get another address; KubeVirt sets its link down and up, so it asks again
  --output DIR        write a file for each part to DIR, which must be new or empty, and print the commands that apply
                      them: DIR has a kustomization for "kubectl apply -k"; it does not include the patches. It
                      includes the example VMs, which start at once; without the part vm, there are none
  --help              print this help

Examples:
  ${NAME} --binding tap --kubevirt 1.5 --namespace vms --output tapwire
  ${NAME} --binding tap-pod-ip --image registry.example.com/tapwire:0.1.0 --namespace vms --output tapwire
  ${NAME} --binding tap --part nad | kubectl apply -f -
  ${NAME} --binding tap --part registration > tap.yaml
  ${NAME} --binding macvtap --namespace vms --output tapwire-macvtap
  ${NAME} --binding passt --binding tap-mq --hco --image registry.example.com/tapwire:0.1.0 --output tapwire

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
    const reasons = order.isForNamedParts ? whyAbsent(order) : [];
    const stderr = [...versionWarnings(order.minor), ...reasons].map((line) => `${line}\n`).join('');
    return { ...(order.output === null ? toStream(unique) : toFiles(unique, order)), stderr, exitCode: 0 };
  },
};

/** One stream with all manifests. If there are several, no patch can be applied from that file. */
function toStream(manifests: readonly Manifest[]): Pick<Outcome, 'stdout'> {
  const isAlone = manifests.length === 1;
  const texts = manifests.map((manifest) => toYaml(isAlone ? manifest : inStream(manifest)));
  return { stdout: texts.join('---\n') };
}

function inStream(manifest: Manifest): Manifest {
  if (manifest.patchCommand === undefined) return manifest;
  const about = manifest.about.map((line) => line.replaceAll(THIS_FILE, 'FILE'));
  return {
    ...manifest,
    about: [...about, `FILE must have only this patch: "${NAME} --output DIR" writes it.`],
  };
}

/** Files in a directory. Prints the commands as a shell script. */
function toFiles(manifests: readonly Manifest[], order: Order): Pick<Outcome, 'stdout' | 'directory'> {
  const path = order.output ?? '';
  const { files, commands } = toDirectory(manifests, path);
  if (files.size === 0) return { stdout: '' };
  const count = files.size === 1 ? '1 file' : `${files.size} files`;
  const comments = [
    `# ${count}. Read the comments first: they say what to edit. Then, in this order:`,
    ...(order.operator === 'hco' && order.parts.includes('registration') ? [`# ${OPENSHIFT}`] : []),
    ...describeExamples(manifests, partsWithManifests(order)),
  ];
  return { stdout: `${[...comments, ...commands].join('\n')}\n`, directory: { path, files } };
}

/** The decoded options: what to print. */
interface Order extends Omit<Registration, 'kind' | 'form' | 'nadNamespace'> {
  readonly kinds: readonly BindingKind[];
  /** Null: the default of each binding. */
  readonly form: Form | null;
  readonly parts: readonly ManifestPart[];
  /** Whether --part names the parts: then somebody expects each of them. */
  readonly isForNamedParts: boolean;
  readonly operator: 'kubevirt' | 'hco';
  readonly namespaces: Namespaces;
  /** Directory to write; null to print. */
  readonly output: string | null;
}

const MAKERS: Readonly<Record<ManifestPart, (kind: BindingKind, order: Order) => readonly Manifest[]>> = {
  nad: (kind, { form, namespaces }) => nadOf(kind, formOf(kind, form), namespaces),
  registration(kind, { operator, ...order }) {
    const registration = {
      ...order,
      kind,
      form: formOf(kind, order.form),
      nadNamespace: order.namespaces.binding,
    };
    return [operator === 'hco' ? hyperConvergedPatch(registration) : kubevirtPatch(registration)];
  },
  gate: (_, { operator, minor }) =>
    operator === 'kubevirt' && minor <= LAST_GATED_MINOR ? [gatePatch()] : [],
  vm: (kind, { form, namespaces }) => exampleVms(kind, formOf(kind, form), namespaces.network),
};

const partsWithManifests = (order: Order): readonly ManifestPart[] =>
  order.parts.filter((part) => order.kinds.some((kind) => MAKERS[part](kind, order).length > 0));

/** The form that `--form` names, or else the binding's default. */
const formOf = (kind: BindingKind, asked: Form | null): Form => asked ?? BINDINGS[kind].forms[0];

/** @throws {BindingError} INVALID_CONFIG */
function parseOrder(args: readonly string[]): Order {
  const { values } = readArguments(NAME, {
    args: [...args],
    options: {
      binding: texts,
      kubevirt: text,
      hco: { type: 'boolean', default: false },
      form: text,
      part: texts,
      namespace: { ...text, default: NAMESPACES.network },
      'nad-namespace': { ...text, default: NAMESPACES.binding },
      image: text,
      migration: text,
      output: text,
    },
  });
  if (values.binding === undefined)
    throw usageError(NAME, `want --binding with one of ${BINDING_KINDS.join(', ')}`);
  const order: Order = {
    kinds: values.binding.map((kind) => oneOf(...BINDING_KINDS)(kind, '--binding')),
    parts: (values.part ?? PARTS).map((part) => oneOf(...PARTS)(part, '--part')),
    isForNamedParts: values.part !== undefined,
    form: values.form === undefined ? null : oneOf(...FORMS)(values.form, '--form'),
    operator: values.hco ? 'hco' : 'kubevirt',
    minor: values.kubevirt === undefined ? NEWEST_MINOR : parseKubevirtVersion(values.kubevirt),
    isForOneVersion: values.kubevirt !== undefined,
    namespaces: {
      binding: namespace(values['nad-namespace'], '--nad-namespace'),
      network: namespace(values.namespace, '--namespace'),
    },
    image: values.image === undefined ? null : image(values.image, '--image'),
    migration:
      values.migration === undefined
        ? null
        : MIGRATIONS[oneOf('keep', 'refresh')(values.migration, '--migration')],
    output: values.output ?? null,
  };
  rejectIneffective(NAME, order);
  if (order.output === '') throw usageError(NAME, '--output: want a directory, got ""');
  return order;
}

const MIGRATIONS = { keep: {}, refresh: { method: 'link-refresh' } } as const;
