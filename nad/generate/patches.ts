import type { V1KubeVirtConfiguration } from '@kubevirt-ui-ext/kubevirt-api/kubevirt';
import { BINDINGS, fileOf } from '../bindings.ts';
import { GATE, HCO_AHEAD, LAST_GATED_MINOR, type Minor, type Plugin } from '../kubevirt-versions.ts';
import { pluginOf, type Registration, rangeOf, wordsOf } from './registration.ts';
import { remarks } from './remarks.ts';
import { type Manifest, THIS_FILE } from './yaml.ts';

/** A merge patch of the KubeVirt CR. It adds one key to a map and keeps all other settings. */
interface KubevirtPatch {
  readonly apiVersion: 'kubevirt.io/v1';
  readonly kind: 'KubeVirt';
  readonly spec: { readonly configuration: Pick<V1KubeVirtConfiguration, 'network'> };
}

const PATCH_KUBEVIRT = 'kubectl -n kubevirt patch kubevirt kubevirt';
const PATCH_HYPERCONVERGED =
  'kubectl -n kubevirt-hyperconverged patch hyperconvergeds.v1beta1.hco.kubevirt.io kubevirt-hyperconverged';

export function kubevirtPatch(registration: Registration): Manifest {
  const { kind } = registration;
  const patchCommand = `${PATCH_KUBEVIRT} --type=merge --patch-file=`;
  const patch: KubevirtPatch = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    spec: {
      configuration: { network: { binding: { [BINDINGS[kind].registeredAs]: pluginOf(registration) } } },
    },
  };
  return {
    file: fileOf(kind, registration.form, `kubevirt-1.${minorInName(registration)}.yaml`),
    about: [
      `Registers the binding "${BINDINGS[kind].registeredAs}" with KubeVirt ${wordsOf(registration)}. This patch keeps all other settings:`,
      `  ${patchCommand}${THIS_FILE}`,
      'It has no name, so that "kubectl apply" rejects it: applying one binding would remove those applied before.',
      ...gateRemark(registration),
      ...remarks(registration),
    ],
    documents: [patch],
    patchCommand,
  };
}

/** Minor version in the file's name: the first one that the comments are for. */
const minorInName = (registration: Registration): Minor =>
  registration.isForOneVersion ? registration.minor : rangeOf(registration)[0];

function gateRemark({ isForOneVersion, minor }: Registration): readonly string[] {
  if (!isForOneVersion)
    return [`Up to KubeVirt 1.${LAST_GATED_MINOR}, also apply the patch nad/${GATE_FILE}.`];
  if (minor > LAST_GATED_MINOR) return [];
  return [`KubeVirt 1.${minor} also needs a feature gate: apply the patch ${GATE_FILE}, too.`];
}

/** A merge patch of the HyperConverged CR, from which the operator generates the KubeVirt CR. */
interface HyperConvergedPatch {
  readonly apiVersion: 'hco.kubevirt.io/v1beta1';
  readonly kind: 'HyperConverged';
  readonly spec: { readonly networkBinding: Readonly<Record<string, Plugin>> };
}

/**
 * Creates the patch for the operator's own field, which exists since the version that installs
 * KubeVirt 1.1. The operator sets the feature gate itself. Its jsonpatch annotation would work as
 * well, but it is one string shared by all patches, and it marks the configuration as tainted.
 *
 * Source: hyperconverged-cluster-operator api/v1beta1, controllers/operands/kubevirt.go
 */
export function hyperConvergedPatch(registration: Registration): Manifest {
  const { kind } = registration;
  const version = `1.${minorInName(registration) + HCO_AHEAD}`;
  const operator = registration.isForOneVersion ? 'operator' : `operator ${version} or newer`;
  const patchCommand = `${PATCH_HYPERCONVERGED} --type=merge --patch-file=`;
  const patch: HyperConvergedPatch = {
    apiVersion: 'hco.kubevirt.io/v1beta1',
    kind: 'HyperConverged',
    spec: { networkBinding: { [BINDINGS[kind].registeredAs]: pluginOf(registration) } },
  };
  return {
    file: fileOf(kind, registration.form, `hyperconverged-${version}.yaml`),
    about: [
      `Registers the binding "${BINDINGS[kind].registeredAs}" if the HyperConverged ${operator} manages KubeVirt ${wordsOf(registration)}.`,
      'The operator overwrites changes of the KubeVirt CR, so this patches its own CR. It sets the feature gate itself.',
      `  ${patchCommand}${THIS_FILE}`,
      OPENSHIFT,
      ...remarks(registration),
    ],
    documents: [patch],
    patchCommand,
  };
}

/** Says where OpenShift Virtualization has its HyperConverged CR. */
export const OPENSHIFT =
  'On OpenShift Virtualization, that CR is in another namespace: write "-n openshift-cnv".';

export const GATE_FILE = 'feature-gate.yaml';

/**
 * Creates the patch for the feature gate: a JSON patch, because a merge patch would replace the
 * whole list of gates.
 */
export function gatePatch(): Manifest {
  const path = '/spec/configuration/developerConfiguration/featureGates';
  const patchCommand = `${PATCH_KUBEVIRT} --type=json --patch-file=`;
  return {
    file: GATE_FILE,
    about: [
      `KubeVirt up to 1.${LAST_GATED_MINOR} needs a feature gate for binding plugins. This patch adds it to the list of gates:`,
      `  ${patchCommand}${THIS_FILE}`,
      'If kubectl says "doc is missing path", the CR has no list of gates yet. Then create it:',
      `  ${PATCH_KUBEVIRT} --type=merge -p \\`,
      `    '{"spec": {"configuration": {"developerConfiguration": {"featureGates": ["${GATE}"]}}}}'`,
    ],
    documents: [[{ op: 'add', path: `${path}/-`, value: GATE }]],
    patchCommand,
  };
}
