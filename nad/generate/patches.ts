import type { V1KubeVirtConfiguration } from '@kubevirt-ui-ext/kubevirt-api/kubevirt';
import { BINDINGS, fileOf, hasChoiceOfMigration, isForSecondaryOnly, needsSidecar } from '../bindings.ts';
import { GATE, LAST_GATED_MINOR, type Plugin } from '../kubevirt-versions.ts';
import { IMAGE, pluginOf, type Registration, rangeOf, wordsOf } from './registration.ts';
import type { Manifest } from './yaml.ts';

/** A merge patch of the KubeVirt CR. It adds one key to a map and keeps all other settings. */
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
      `Registers the binding "${BINDINGS[kind].registeredAs}" with KubeVirt ${wordsOf(registration)}. This patch keeps all other settings:`,
      '  kubectl -n kubevirt patch kubevirt kubevirt --type=merge --patch-file=THIS_FILE',
      'It has no name, so that "kubectl apply" rejects it: applying one binding would remove those applied before.',
      `Up to KubeVirt 1.${LAST_GATED_MINOR}, also apply the patch nad/${GATE_FILE}.`,
      ...remarks(registration),
    ],
    documents: [patch],
  };
}

/** A merge patch of the HyperConverged CR, from which the operator generates the KubeVirt CR. */
interface HyperConvergedPatch {
  readonly apiVersion: 'hco.kubevirt.io/v1beta1';
  readonly kind: 'HyperConverged';
  readonly spec: { readonly networkBinding: Readonly<Record<string, Plugin>> };
}

/**
 * Minor version of the operator minus that of the KubeVirt that it installs: 1.11 installs KubeVirt
 * 1.1.
 */
const AHEAD = 10;

/**
 * Creates the patch for the operator's own field, which exists since the version that installs
 * KubeVirt 1.1. The operator sets the feature gate itself. Its jsonpatch annotation would work as
 * well, but it is one string shared by all patches, and it marks the configuration as tainted.
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
      `Registers the binding "${BINDINGS[kind].registeredAs}" if the HyperConverged operator ${version} or newer manages KubeVirt ${wordsOf(registration)}.`,
      'The operator overwrites changes of the KubeVirt CR, so this patches its own CR. It sets the feature gate itself.',
      '  kubectl -n kubevirt-hyperconverged patch hyperconvergeds.v1beta1.hco.kubevirt.io kubevirt-hyperconverged \\',
      '    --type=merge --patch-file=THIS_FILE',
      ...remarks(registration),
    ],
    documents: [patch],
  };
}

export const GATE_FILE = 'feature-gate.yaml';

/**
 * Creates the patch for the feature gate: a JSON patch, because a merge patch would replace the
 * whole list of gates.
 */
export function gatePatch(): Manifest {
  const path = '/spec/configuration/developerConfiguration/featureGates';
  return {
    file: GATE_FILE,
    about: [
      `KubeVirt up to 1.${LAST_GATED_MINOR} needs a feature gate for binding plugins. This patch adds it to the list of gates:`,
      '  kubectl -n kubevirt patch kubevirt kubevirt --type=json --patch-file=THIS_FILE',
      'If kubectl says "doc is missing path", the CR has no list of gates yet. Then create it:',
      '  kubectl -n kubevirt patch kubevirt kubevirt --type=merge -p \\',
      `    '{"spec": {"configuration": {"developerConfiguration": {"featureGates": ["${GATE}"]}}}}'`,
    ],
    documents: [[{ op: 'add', path: `${path}/-`, value: GATE }]],
  };
}

function remarks({ kind, form, image, migration }: Registration): string[] {
  return [
    ...(needsSidecar(BINDINGS[kind]) && image === null
      ? [`Replace ${IMAGE} by Tapwire's image, the same as in the DaemonSet. It serves every binding.`]
      : []),
    ...(form === 'network' && BINDINGS[kind].nad !== null
      ? ["The VM's network names the NAD, so the registration names none."]
      : []),
    ...(kind === 'passt'
      ? [
          'KubeVirt 1.8 and newer has its own passt binding (gate PasstBinding): prefer "passtBinding: {}" in VMs there.',
        ]
      : []),
    ...(isForSecondaryOnly(BINDINGS[kind]) ? SECONDARY : []),
    ...(hasChoiceOfMigration(BINDINGS[kind]) && migration === null ? MIGRATION : []),
  ];
}

const SECONDARY = [
  "Only for secondary networks: if a network creates no link in the pod, ADD rejects it and never wires the pod's own link.",
];

const MIGRATION = [
  'VMs with this binding on the primary network cannot migrate live by default. To allow it (KubeVirt 1.2 or newer), add',
  '"migration: {}" if the cluster network moves address and MAC to the new node (OVN-Kubernetes, Kube-OVN), or',
  '"migration: {method: link-refresh}" if the guest may get another address. "tapwire manifests --migration" adds either.',
];
