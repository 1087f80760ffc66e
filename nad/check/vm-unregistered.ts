import { BINDING_KINDS, BINDINGS } from '../bindings.ts';
import { nearest } from './almost.ts';
import { doubt, error, type Problem } from './finding.ts';
import { listOf } from './list.ts';
import type { Registered } from './registrations.ts';
import type { Vm } from './vm.ts';

/** Registrations in the files. */
interface Known {
  readonly registrations: ReadonlyMap<string, Registered>;
  /** Whether the files contain a whole CR. */
  readonly knowsAll: boolean;
}

/** Names under which Tapwire's manifests register the bindings. */
const SHIPPED = BINDING_KINDS.map((kind) => BINDINGS[kind].registeredAs);

/** Names of other things that a VM does not name: of NADs, and of kinds on the command line. */
const LOOKALIKES: ReadonlyMap<string, string> = new Map(
  BINDING_KINDS.flatMap((kind) => {
    const { nad, registeredAs } = BINDINGS[kind];
    const names = nad === null ? [] : [nad.name];
    // Other projects register a binding "macvtap" or "passt".
    if (kind.includes('-')) names.push(kind);
    return names.filter((name) => !SHIPPED.includes(name)).map((name) => [name, registeredAs]);
  }),
);

/** Whether the files say nothing about registrations. */
const isSilent = ({ registrations, knowsAll }: Known): boolean => registrations.size === 0 && !knowsAll;

/** Finds out what is wrong with a binding that the files do not register. */
export function problemsOfUnregistered(binding: string, cluster: Known): readonly Problem[] {
  if (isSilent(cluster)) return problemsOfName(binding);
  const names = listOf([...cluster.registrations.keys()]) || 'none';
  if (cluster.knowsAll) {
    return [
      error(
        `binding "${binding}" is not registered with KubeVirt, so the VM never starts; registered: ${names}`,
      ),
    ];
  }
  const text = `these files do not register binding "${binding}" with KubeVirt, only ${names}; check that the cluster has it`;
  return [doubt(text)];
}

/** Finds a misspelt name. Without registrations, it may still be a name of the admin's choice. */
function problemsOfName(binding: string): readonly Problem[] {
  if (SHIPPED.includes(binding)) return [];
  const meant = LOOKALIKES.get(binding) ?? nearest(binding, SHIPPED);
  if (meant === undefined) return [];
  return [doubt(`binding "${binding}" is not "${meant}"; check the spelling`)];
}

/** Names of the VMs' bindings that cannot be checked, because no file says what is registered. */
export function unknownBindings(vms: readonly Vm[], cluster: Known): readonly string[] {
  if (!isSilent(cluster)) return [];
  return [...new Set(vms.flatMap((vm) => vm.interfaces.flatMap(({ binding }) => binding ?? [])))];
}
