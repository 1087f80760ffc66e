import { stringify } from 'yaml';

/** A file of `nad/`, and one part of what `tapwire manifests` prints. */
export interface Manifest {
  /** Path below `nad/`. */
  readonly file: string;
  /** What it is and what to do with it: the comment at its head, a line each. */
  readonly about: readonly string[];
  readonly documents: readonly object[];
}

/** The manifest as YAML, which readers of YAML 1.1 (kubectl) and of 1.2 understand alike. */
export function toYaml({ about, documents }: Manifest): string {
  const comment = about.map((line) => `# ${line}`.trimEnd()).join('\n');
  const texts = documents.map((document) =>
    stringify(document, { lineWidth: 0, compat: 'yaml-1.1', aliasDuplicateObjects: false }),
  );
  return `${comment}\n${texts.join('---\n')}`;
}
