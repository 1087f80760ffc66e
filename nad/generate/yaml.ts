import { stringify } from 'yaml';

/** A YAML file of `nad/`, or a part of the output of `tapwire manifests`. */
export interface Manifest {
  /** Path relative to `nad/`. */
  readonly file: string;
  /** Lines of the comment at its head: purpose and usage. */
  readonly about: readonly string[];
  readonly documents: readonly object[];
}

/** Formats a manifest so that YAML 1.1 (kubectl) and YAML 1.2 parse it alike. */
export function toYaml({ about, documents }: Manifest): string {
  const comment = about.map((line) => `# ${line}`.trimEnd()).join('\n');
  const texts = documents.map((document) =>
    stringify(document, { lineWidth: 0, compat: 'yaml-1.1', aliasDuplicateObjects: false }),
  );
  return `${comment}\n${texts.join('---\n')}`;
}
