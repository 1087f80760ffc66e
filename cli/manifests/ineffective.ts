import {
  BINDING_KINDS,
  BINDINGS,
  type BindingKind,
  type Form,
  hasChoiceOfMigration,
} from '../../nad/bindings.ts';
import { FIELD_SINCE, type Minor, type Plugin } from '../../nad/kubevirt-versions.ts';
import { usageError } from '../command.ts';

interface Chosen {
  readonly kinds: readonly BindingKind[];
  /** Null: the default of each binding. */
  readonly form: Form | null;
  readonly minor: Minor;
  /** Null: not given. */
  readonly migration: Plugin['migration'] | null;
}

/**
 * Rejects options that would have no effect, because the manifests have no place for them.
 *
 * @param command its name, for the message
 * @throws {BindingError} INVALID_CONFIG
 */
export function rejectIneffective(command: string, { kinds, form, minor, migration }: Chosen): void {
  const bare = kinds.find((kind) => form !== null && !BINDINGS[kind].forms.includes(form));
  if (form !== null && bare !== undefined) {
    const able = BINDING_KINDS.filter((kind) => BINDINGS[kind].forms.includes(form));
    throw usageError(command, `--form ${form} is for ${able.join(', ')}, not for ${bare}`);
  }
  if (migration === null) return;
  const ableToChoose = BINDING_KINDS.filter((kind) => hasChoiceOfMigration(BINDINGS[kind]));
  if (!kinds.some((kind) => ableToChoose.includes(kind)))
    throw usageError(command, `--migration is for ${ableToChoose.join(', ')}, not for ${kinds.join(', ')}`);
  if (minor < FIELD_SINCE.migration) {
    throw usageError(
      command,
      `--migration needs KubeVirt 1.${FIELD_SINCE.migration} or newer; 1.${minor} drops the field`,
    );
  }
}
