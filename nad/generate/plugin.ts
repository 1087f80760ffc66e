import { BINDINGS, type BindingKind, type Form, needsSidecar } from '../bindings.ts';
import { FIELD_SINCE, type Minor, NEWEST_MINOR, OLDEST_MINOR, type Plugin } from '../kubevirt-versions.ts';

export interface Registration {
  readonly kind: BindingKind;
  readonly form: Form;
  readonly minor: Minor;
  /** Where the binding's NAD is. */
  readonly nadNamespace: string;
  /** The image of our sidecar; null leaves it out where the binding does not need it. */
  readonly image: string | null;
  /** What KubeVirt is told of live migration with a tap; null: nothing, and it does not migrate these VMs. */
  readonly migration: Plugin['migration'] | null;
}

/** Stands in a file for the image of the sidecar, whose name the cluster's admin knows. */
export const IMAGE = 'IMAGE';

/** What the KubeVirt CR gets for one binding. */
export function pluginOf({ kind, form, minor, nadNamespace, image, migration }: Registration): Plugin {
  const binding = BINDINGS[kind];
  const isNamed = form === 'binding' && binding.nad !== null;
  const sidecarImage = image ?? (needsSidecar(binding) ? IMAGE : null);
  return {
    ...(isNamed ? { networkAttachmentDefinition: `${nadNamespace}/${binding.nad.name}` } : {}),
    ...binding.plugin,
    ...(sidecarImage === null ? {} : { sidecarImage }),
    ...(migration !== null && minor >= FIELD_SINCE.migration ? { migration } : {}),
    ...Object.assign({}, ...binding.since.filter(([since]) => minor >= since).map(([, plugin]) => plugin)),
  };
}

/** The minors from which a registration is another than before, oldest first. */
export function changesOf(registration: Omit<Registration, 'minor'>): readonly Minor[] {
  const minors = Array.from({ length: NEWEST_MINOR - OLDEST_MINOR + 1 }, (_, i) => OLDEST_MINOR + i);
  const text = (minor: Minor) => JSON.stringify(pluginOf({ ...registration, minor }));
  return minors.filter((minor) => minor === OLDEST_MINOR || text(minor) !== text(minor - 1));
}

/** The first minor that has the same registration, and the first later one that has another. */
export function rangeOf(registration: Registration): readonly [Minor, Minor | undefined] {
  const changes = changesOf(registration);
  const first = changes.findLast((minor) => minor <= registration.minor) ?? OLDEST_MINOR;
  return [first, changes.find((minor) => minor > first)];
}

/** The range in words. */
export function wordsOf(registration: Registration): string {
  const [first, next] = rangeOf(registration);
  const since = first === OLDEST_MINOR ? '1.1.1' : `1.${first}`;
  if (next === undefined) return `${since} and newer`;
  if (next > first + 1) return `${since} to 1.${next - 1}`;
  return first === OLDEST_MINOR ? '1.1, from 1.1.1 on' : since;
}
