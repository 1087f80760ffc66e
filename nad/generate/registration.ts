import type { V1KubeVirtConfiguration } from '@kubevirt-ui-ext/kubevirt-api/kubevirt';
import { BINDINGS, fileOf, hasChoiceOfMigration, isForSecondaryOnly, needsSidecar } from '../bindings.ts';
import { GATE, LAST_GATED_MINOR, type Plugin } from '../kubevirt-versions.ts';
import { IMAGE, pluginOf, type Registration, rangeOf, wordsOf } from './plugin.ts';
import type { Manifest } from './yaml.ts';

/** A merge patch of the KubeVirt CR: it adds one key to a map, and leaves whatever else is configured. */
interface KubevirtPatch {
  readonly apiVersion: 'kubevirt.io/v1';
  readonly kind: 'KubeVirt';
  readonly spec: { readonly configuration: Pick<V1KubeVirtConfiguration, 'network'> };
}

export function kubevirtPatch(registration: Registration): Manifest {
  const { kind } = registration;
  const [first] = rangeOf(registration);
  const patch: KubevirtPatch = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    spec: {
      configuration: { network: { binding: { [BINDINGS[kind].registeredAs]: pluginOf(registration) } } },
    },
  };
  return {
    file: fileOf(kind, registration.form, `kubevirt-1.${first}.yaml`),
    about: [
      `Registers the binding "${BINDINGS[kind].registeredAs}" with KubeVirt ${wordsOf(registration)}. A patch, which keeps all else that is configured:`,
      '  kubectl -n kubevirt patch kubevirt kubevirt --type=merge --patch-file=THIS_FILE',
      'It has no name, so that "kubectl apply" refuses it: applying one binding would take away those applied before.',
      `Up to KubeVirt 1.${LAST_GATED_MINOR} also patch with nad/${GATE_FILE}.`,
      ...remarks(registration),
    ],
    documents: [patch],
  };
}

/** A merge patch of the HyperConverged CR, from which its operator makes the KubeVirt CR. */
interface HyperConvergedPatch {
  readonly apiVersion: 'hco.kubevirt.io/v1beta1';
  readonly kind: 'HyperConverged';
  readonly spec: { readonly networkBinding: Readonly<Record<string, Plugin>> };
}

/** Minor versions of the operator run ahead of those of the KubeVirt that it brings: 1.11 has 1.1. */
const AHEAD = 10;

/**
 * The operator has a field for bindings since the version that brought KubeVirt 1.1, and sets the gate by itself. Its jsonpatch
 * annotation would do as well, but is one string for all patches of everybody, and taints the configuration.
 *
 * Source: hyperconverged-cluster-operator api/v1beta1, controllers/operands/kubevirt.go
 */
export function hyperConvergedPatch(registration: Registration): Manifest {
  const { kind } = registration;
  const version = `1.${rangeOf(registration)[0] + AHEAD}`;
  const patch: HyperConvergedPatch = {
    apiVersion: 'hco.kubevirt.io/v1beta1',
    kind: 'HyperConverged',
    spec: { networkBinding: { [BINDINGS[kind].registeredAs]: pluginOf(registration) } },
  };
  return {
    file: fileOf(kind, registration.form, `hyperconverged-${version}.yaml`),
    about: [
      `Registers the binding "${BINDINGS[kind].registeredAs}" where the HyperConverged operator, ${version} or newer, manages KubeVirt`,
      `${wordsOf(registration)}. It takes back changes of the KubeVirt CR, so this patches its own. It opens feature gates itself.`,
      '  kubectl -n kubevirt-hyperconverged patch hyperconvergeds.v1beta1.hco.kubevirt.io kubevirt-hyperconverged \\',
      '    --type=merge --patch-file=THIS_FILE',
      ...remarks(registration),
    ],
    documents: [patch],
  };
}

export const GATE_FILE = 'feature-gate.yaml';

/** A JSON patch, since a merge patch would replace the whole list of gates. */
export function gatePatch(): Manifest {
  const path = '/spec/configuration/developerConfiguration/featureGates';
  return {
    file: GATE_FILE,
    about: [
      `KubeVirt up to 1.${LAST_GATED_MINOR} has binding plugins behind a feature gate. This adds it to those that are open:`,
      '  kubectl -n kubevirt patch kubevirt kubevirt --type=json --patch-file=THIS_FILE',
      '"doc is missing path" says that no gate is open yet. Then begin the list:',
      '  kubectl -n kubevirt patch kubevirt kubevirt --type=merge -p \\',
      `    '{"spec": {"configuration": {"developerConfiguration": {"featureGates": ["${GATE}"]}}}}'`,
    ],
    documents: [[{ op: 'add', path: `${path}/-`, value: GATE }]],
  };
}

function remarks({ kind, form, image, migration }: Registration): string[] {
  return [
    ...(needsSidecar(BINDINGS[kind]) && image === null
      ? [`Replace ${IMAGE} by the name of the sidecar's image.`]
      : []),
    ...(form === 'network' && BINDINGS[kind].nad !== null
      ? ["The VM's network names the NAD, so the registration does not."]
      : []),
    ...(kind === 'passt'
      ? [
          'KubeVirt 1.8 and newer has passt itself (gate PasstBinding): prefer "passtBinding: {}" in VMs there.',
        ]
      : []),
    ...(isForSecondaryOnly(BINDINGS[kind]) ? SECONDARY : []),
    ...(hasChoiceOfMigration(BINDINGS[kind]) && migration === null ? MIGRATION : []),
  ];
}

const SECONDARY = [
  "For secondary networks alone: an interface whose network makes no link in the pod is rejected, and never gets the pod's own.",
];

const MIGRATION = [
  "VMs whose primary network it is do not migrate live. Where the cluster network moves a VM's address and MAC",
  'to the new node (OVN-Kubernetes, Kube-OVN), add "migration: {}"; where the guest may get another address,',
  '"migration: {method: link-refresh}" (KubeVirt 1.2 or newer): "tapwire manifests --migration" writes them.',
];
