import { BINDING_KINDS, BINDINGS, type BindingKind, type Form } from '../bindings.ts';
import { exampleVms } from './example-vm.ts';
import { type Namespaces, nadOf } from './nad.ts';
import { gatePatch, hyperConvergedPatch, kubevirtPatch } from './patches.ts';
import { changesOf } from './registration.ts';
import { type Manifest, toYaml } from './yaml.ts';

/** VMs of all namespaces can use NADs in "default", even if Multus isolates namespaces. */
export const NAMESPACES: Namespaces = { binding: 'default', network: 'default' };

/** Text of every YAML file in `nad/`, by its path relative to that directory. */
export function files(): ReadonlyMap<string, string> {
  const ofBindings = BINDING_KINDS.flatMap((kind) =>
    BINDINGS[kind].forms.flatMap((form) => manifestsOf(kind, form)),
  );
  return new Map([...ofBindings, gatePatch()].map((manifest) => [manifest.file, toYaml(manifest)]));
}

function manifestsOf(kind: BindingKind, form: Form): readonly Manifest[] {
  const nads = nadOf(kind, form, NAMESPACES);
  const registration = {
    kind,
    form,
    nadNamespace: NAMESPACES.binding,
    image: null,
    migration: null,
    isForOneVersion: false,
  };
  const registrations = changesOf(registration).flatMap((minor) => [
    kubevirtPatch({ ...registration, minor }),
    hyperConvergedPatch({ ...registration, minor }),
  ]);
  return [...nads, ...registrations, ...exampleVms(kind, form, NAMESPACES.network)];
}
