import {
  BINDINGS,
  hasChoiceOfMigration,
  isForSecondaryOnly,
  needsSidecar,
  servesGuest,
} from '../bindings.ts';
import {
  FIELD_SINCE,
  INJECTION_GATE,
  INJECTION_ON_SINCE,
  INTERFACE_FIELD_SINCE,
} from '../kubevirt-versions.ts';
import { IMAGE, type Registration } from './registration.ts';

/** Lines of the comment that both kinds of registration have in common. */
export function remarks(registration: Registration): readonly string[] {
  const { kind, form, image, migration } = registration;
  const binding = BINDINGS[kind];
  return [
    ...(needsSidecar(binding) && image === null
      ? [`Replace ${IMAGE} by Tapwire's image, the same as in the DaemonSet. It serves every binding.`]
      : []),
    ...(servesGuest(binding) ? SERVED : []),
    ...(form === 'network' && binding.nad !== null
      ? ["The VM's network names the NAD, so the registration names none."]
      : []),
    ...(kind === 'passt' ? passtRemark(registration) : []),
    ...(kind === 'macvtap' ? macvtapRemark(registration) : []),
    ...(isForSecondaryOnly(binding) ? SECONDARY : []),
    ...(hasChoiceOfMigration(binding) && migration === null ? migrationRemark(registration) : []),
  ];
}

const SERVED = [
  "The sidecar gives the guest the pod's addresses, by DHCP, DHCPv6 and router advertisements.",
];

const SECONDARY = [
  "Only for secondary networks: if a network creates no link in the pod, ADD rejects it and never wires the pod's own link.",
];

function passtRemark({ isForOneVersion, minor }: Registration): readonly string[] {
  const since = INTERFACE_FIELD_SINCE.passtBinding;
  if (isForOneVersion && minor < since) return [];
  const versions = isForOneVersion ? `1.${minor}` : `1.${since} and newer`;
  return [
    `KubeVirt ${versions} has its own passt binding (gate PasstBinding): prefer "passtBinding: {}" in VMs there.`,
  ];
}

function macvtapRemark({ isForOneVersion, minor }: Registration): readonly string[] {
  if (isForOneVersion && minor < INJECTION_ON_SINCE) return [];
  const versions = isForOneVersion ? `KubeVirt 1.${minor}` : `From 1.${INJECTION_ON_SINCE} on, KubeVirt`;
  return [
    `${versions} does not request the device that the NAD names: install network-resources-injector, or add`,
    `"${INJECTION_GATE}" to disabledFeatureGates in the KubeVirt CR.`,
  ];
}

const REFRESHED = [
  "After a live migration, KubeVirt sets the guest's link down and up, so that the guest asks for the address of its new pod. If the",
  'cluster network moves address and MAC (Calico 3.32 or newer with address persistence), "migration: {}" spares it that:',
  '"tapwire manifests --migration keep" writes it.',
];

function migrationRemark({ kind, isForOneVersion, minor }: Registration): readonly string[] {
  const since = FIELD_SINCE.migration;
  const isServed = servesGuest(BINDINGS[kind]);
  if ((isForOneVersion || isServed) && minor < since)
    return [`VMs with this binding on the primary network cannot migrate live before KubeVirt 1.${since}.`];
  if (isServed) return REFRESHED;
  const condition = isForOneVersion ? '' : ` (KubeVirt 1.${since} or newer)`;
  return [
    `VMs with this binding on the primary network cannot migrate live by default. To allow it${condition}, add`,
    '"migration: {}" if the cluster network moves address and MAC to the new node (OVN-Kubernetes, Kube-OVN), or',
    '"migration: {method: link-refresh}" if the guest may get another address. "tapwire manifests --migration" adds either.',
  ];
}
