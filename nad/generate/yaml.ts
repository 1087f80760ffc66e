import { stringify } from 'yaml';

/** A YAML file of `nad/`, or a part of the output of `tapwire manifests`. */
export interface Manifest {
  /** Path relative to `nad/`. */
  readonly file: string;
  /** Lines of the comment at its head: purpose and usage. THIS_FILE stands for its path. */
  readonly about: readonly string[];
  readonly documents: readonly object[];
  /**
   * Command that applies the patch, up to the path of the file. Undefined for objects, which
   * `kubectl apply` takes.
   */
  readonly patchCommand?: string;
}

/** Stands for the path of the file in comments. */
export const THIS_FILE = 'THIS_FILE';

/**
 * Formats a manifest so that YAML 1.1 (kubectl) and YAML 1.2 parse it alike.
 *
 * @param path replaces THIS_FILE in comments
 */
export function toYaml({ about, documents }: Manifest, path: string = THIS_FILE): string {
  const comment = about.map((line) => `# ${line.replaceAll(THIS_FILE, path)}`.trimEnd()).join('\n');
  const texts = documents.map((document) =>
    stringify(document, { lineWidth: 0, compat: 'yaml-1.1', aliasDuplicateObjects: false }),
  );
  return `${comment}\n${texts.join('---\n')}`;
}
