import { BINDING_KINDS, BINDINGS, type BindingKind } from '../bindings.ts';
import { exampleVms } from './example-vm.ts';
import { type Manifest, toYaml } from './manifest.ts';
import { bindingNad, networkNad } from './nad.ts';
import { changesOf, type Form, gatePatch, hyperConvergedPatch, kubevirtPatch } from './registration.ts';

/** Where the NADs of bindings are: in reach of every VM, also where Multus isolates namespaces. */
export const NAD_NAMESPACE = 'default';
/** Where the examples' VMs are, and the networks that they name. */
export const VM_NAMESPACE = 'default';

const FORMS: readonly Form[] = ['binding', 'network'];

/** Every YAML file of `nad/`: its text by its path below that folder. */
export function files(): ReadonlyMap<string, string> {
  const manifests = [
    ...BINDING_KINDS.flatMap((kind) => FORMS.flatMap((form) => all(kind, form))),
    gatePatch(),
  ];
  return new Map(manifests.map((manifest) => [manifest.file, toYaml(manifest)]));
}

function all(kind: BindingKind, form: Form): readonly Manifest[] {
  const nads = form === 'binding' ? bindingNad(kind, NAD_NAMESPACE) : networkNad(kind, VM_NAMESPACE);
  if (form === 'network' && BINDINGS[kind].nad === null) return [];
  const registration = { kind, form, nadNamespace: NAD_NAMESPACE, image: null, migration: null };
  const registrations = changesOf(registration).flatMap((minor) => [
    kubevirtPatch({ ...registration, minor }),
    hyperConvergedPatch({ ...registration, minor }),
  ]);
  return [...(nads === null ? [] : [nads]), ...registrations, ...exampleVms(kind, form, VM_NAMESPACE)];
}
