import { BINDINGS, type BindingKind, type Form, hasChoiceOfMigration, needsSidecar } from '../bindings.ts';
import { FIELD_SINCE, type Minor, NEWEST_MINOR, OLDEST_MINOR, type Plugin } from '../kubevirt-versions.ts';

export interface Registration {
  readonly kind: BindingKind;
  readonly form: Form;
  readonly minor: Minor;
  /**
   * Whether the comments are for this version only. Otherwise they are for all versions with the
   * same registration.
   */
  readonly isForOneVersion: boolean;
  /** Namespace of the binding's NAD. */
  readonly nadNamespace: string;
  /** Image of the sidecar. Null means none, or a placeholder if the binding needs a sidecar. */
  readonly image: string | null;
  /**
   * The field `migration` of a tap's registration. Null means the binding's own. Without the field,
   * KubeVirt does not migrate the VMs.
   */
  readonly migration: Plugin['migration'] | null;
}

/** Placeholder for the image of the sidecar, which the admin replaces. */
export const IMAGE = 'IMAGE';

/** Creates the registration of a binding. */
export function pluginOf({ kind, form, minor, nadNamespace, image, migration }: Registration): Plugin {
  const binding = BINDINGS[kind];
  const isNamed = form === 'binding' && binding.nad !== null;
  const sidecarImage = image ?? (needsSidecar(binding) ? IMAGE : null);
  return {
    ...(isNamed ? { networkAttachmentDefinition: `${nadNamespace}/${binding.nad.name}` } : {}),
    ...binding.plugin,
    ...(sidecarImage === null ? {} : { sidecarImage }),
    ...Object.assign({}, ...binding.since.filter(([since]) => minor >= since).map(([, plugin]) => plugin)),
    ...(migration !== null && hasChoiceOfMigration(binding) && minor >= FIELD_SINCE.migration
      ? { migration }
      : {}),
  };
}

/**
 * Minor versions in which the registration changes, oldest first. The first is always OLDEST_MINOR.
 */
export function changesOf(registration: Omit<Registration, 'minor'>): readonly Minor[] {
  const minors = Array.from({ length: NEWEST_MINOR - OLDEST_MINOR + 1 }, (_, i) => OLDEST_MINOR + i);
  const text = (minor: Minor) => JSON.stringify(pluginOf({ ...registration, minor }));
  return minors.filter((minor) => minor === OLDEST_MINOR || text(minor) !== text(minor - 1));
}

/**
 * First minor version with the same registration, and first later one with a different
 * registration.
 */
export function rangeOf(registration: Registration): readonly [Minor, Minor | undefined] {
  const changes = changesOf(registration);
  const first = changes.findLast((minor) => minor <= registration.minor) ?? OLDEST_MINOR;
  return [first, changes.find((minor) => minor > first)];
}

/** Describes the KubeVirt versions that the comments are for. */
export function wordsOf(registration: Registration): string {
  if (registration.isForOneVersion) return `1.${registration.minor}`;
  const [first, next] = rangeOf(registration);
  const since = first === OLDEST_MINOR ? '1.1.1' : `1.${first}`;
  if (next === undefined) return `${since} and newer`;
  if (next > first + 1) return `${since} to 1.${next - 1}`;
  return first === OLDEST_MINOR ? '1.1, from 1.1.1 on' : since;
}
