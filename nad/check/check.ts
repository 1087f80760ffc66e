import { BindingError } from '../../shared/errors.ts';
import { type Minor, NEWEST_MINOR } from '../kubevirt-versions.ts';
import { checkCapacity } from './capacity.ts';
import { checkConflist, isConflist } from './conflists.ts';
import { parseDocuments } from './document.ts';
import { type Finding, failure, inOrder } from './finding.ts';
import { checkKind, checkMetadata, checkTypeNames } from './kinds.ts';
import { checkNad } from './nad-config.ts';
import { firstBy, NadIndex } from './nad-index.ts';
import { observedMinor } from './observed-version.ts';
import { type Presets, readPresets } from './presets.ts';
import { checkPlugin } from './registration-fields.ts';
import { checkReference } from './registration-nads.ts';
import { readRegistrations } from './registrations.ts';
import { isRegistry } from './registries.ts';
import { fullName, type Resource, resourcesOf } from './resource.ts';
import { checkResourceNames, usedNads } from './resource-names.ts';
import { checkRegisteredTwice, checkTwins } from './twins.ts';
import { decodeVm, specPathOf, type Vm } from './vm.ts';
import { checkBindings } from './vm-bindings.ts';
import { checkCloudInit } from './vm-cloud-init.ts';
import { checkIpam } from './vm-ipam.ts';
import { checkMacs } from './vm-macs.ts';
import { checkNetworkConfig } from './vm-network-config.ts';
import { checkNetworks } from './vm-networks.ts';
import { checkSecondary } from './vm-secondary.ts';
import { checkVmServices } from './vm-services.ts';
import { unknownNads } from './vm-unknown-nads.ts';
import { unknownBindings } from './vm-unregistered.ts';
import { Budget } from './yaml/budget.ts';

export interface Report {
  readonly findings: readonly Finding[];
  /** KubeVirt version for which the objects were checked. */
  readonly minor: Minor;
  /** Bindings of VMs that were not checked, because no file says what is registered. */
  readonly unknownBindings: readonly string[];
  /** NADs of VMs' networks that were not checked, because no file has them. */
  readonly unknownNads: readonly string[];
  /** Number of objects that were checked. */
  readonly checked: number;
  /** Number of objects of unrelated kinds. */
  readonly skipped: number;
}

/** A file: its name for messages, and its text. */
export interface Source {
  readonly file: string;
  readonly text: string;
}

/**
 * Checks all files together, as the contents of one cluster. Pure.
 *
 * @param asked version of the cluster's KubeVirt; null means the version in the status of a CR in
 * the files, or else the newest
 */
export function checkSources(sources: readonly Source[], asked: Minor | null): Report {
  const budget = new Budget();
  const parsed = sources.map(({ file, text }) => parseDocuments(file, text, budget));
  const documents = parsed.flatMap((one) => one.documents);
  const objects = documents.map(resourcesOf);
  const resources = objects.flat();
  const conflists = documents.filter(isConflist);
  const minor = asked ?? observedMinor(resources) ?? NEWEST_MINOR;

  const nadResources = resources.filter(isNad);
  const nads = nadResources.map(checkNad);
  const crs = resources.filter(isRegistry);
  const registries = crs.map((cr) => readRegistrations(cr, minor));
  const presets = readPresets(resources);
  const vms = resources.flatMap((one) => readVm(one, presets));

  const seen = new NadIndex(nads.map((nad) => nad.seen));
  const registrations = registries.flatMap((registry) => registry.registrations);
  const cluster = {
    nads: seen,
    registrations: firstBy(registrations, ({ name }) => name),
    knowsAll: crs.some(({ name }) => name !== ''),
  };
  const isUsed = usedNads(
    seen,
    registrations,
    vms.flatMap(({ vm }) => vm ?? []),
  );
  const findings = [
    ...[...parsed, ...nads, ...registries, ...vms].flatMap((one) => one.findings),
    ...conflists.flatMap(checkConflist),
    ...documents.flatMap(checkTypeNames),
    ...resources.flatMap((one) => [...checkKind(one), ...checkMetadata(one)]),
    ...checkTwins(resources.filter(isRead)),
    ...checkRegisteredTwice(registrations),
    ...registrations.flatMap((registered) => checkPlugin(registered, seen, minor)),
    ...registrations.flatMap((registered) => checkReference(registered, seen, vms.length > 0)),
    ...checkResourceNames(nadResources.filter(isUsed), resources, minor),
    ...checkCapacity(
      nadResources,
      vms.flatMap(({ vm }) => vm ?? []),
      resources,
      seen,
    ),
    ...vms.flatMap(({ vm }) =>
      vm === null
        ? []
        : [
            ...checkNetworks(vm, minor),
            ...checkBindings(vm, cluster),
            ...checkSecondary(vm, cluster),
            ...checkMacs(vm, cluster),
            ...checkIpam(vm, cluster),
            ...checkVmServices(vm, cluster),
            ...checkCloudInit(vm),
          ],
    ),
  ];
  const checked = nads.length + registries.length + vms.length + conflists.length;
  const total = objects.reduce((sum, { length }) => sum + Math.max(length, 1), 0);
  const files = sources.map(({ file }) => file);
  const decoded = vms.flatMap(({ vm }) => vm ?? []);
  return {
    findings: inOrder(findings, files),
    minor,
    unknownBindings: unknownBindings(decoded, cluster),
    unknownNads: unknownNads(decoded, seen),
    checked,
    skipped: total - checked,
  };
}

const isRead = (one: Resource): boolean =>
  isNad(one) || specPathOf(one) !== undefined || one.group === 'instancetype.kubevirt.io';

const isNad = ({ group, kind }: Resource): boolean =>
  group === 'k8s.cni.cncf.io' && kind === 'NetworkAttachmentDefinition';

/** Reads an object that defines VMs. Invalid fields become a finding, as do annotations. */
function readVm(
  resource: Resource,
  presets: Presets,
): readonly { readonly vm: Vm | null; readonly findings: readonly Finding[] }[] {
  const specPath = specPathOf(resource);
  if (specPath === undefined) return [];
  try {
    const vm = decodeVm(resource, specPath, presets);
    return [{ vm, findings: checkNetworkConfig(resource, specPath, vm) }];
  } catch (error) {
    if (!(error instanceof BindingError)) throw error;
    const [, path = '$'] = /^Cannot read (\$\S*):/.exec(error.message) ?? [];
    const message = `${resource.kind} "${fullName(resource)}": ${error.message}`;
    return [{ vm: null, findings: [failure(resource.at(path), message)] }];
  }
}
