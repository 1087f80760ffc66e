import type { Manifest } from '../../nad/generate/yaml.ts';
import type { ManifestPart } from './absent.ts';

/**
 * A comment on the examples that `kubectl apply -k` creates, for the commands that `--output`
 * prints. Empty without examples.
 *
 * @param parts the parts that have manifests
 */
export function describeExamples(
  manifests: readonly Manifest[],
  parts: readonly ManifestPart[],
): readonly string[] {
  const examples = manifests
    .map(({ documents }) => documents)
    .filter((documents) => namesOf('VirtualMachine', documents).length > 0)
    .flat();
  if (examples.length === 0) return [];
  const networks = [...new Set(namesOf('NetworkAttachmentDefinition', examples))];
  const created = networks.length === 0 ? '' : `, and creates their network ${networks.join(', ')}`;
  const others = parts.filter((part) => part !== 'vm').map((part) => `--part ${part}`);
  const remedy = others.length === 0 ? 'omit --part vm' : others.join(' ');
  return [
    `# The last command starts example VMs (${namesOf('VirtualMachine', examples).join(', ')})${created}.`,
    `# To leave them out: ${remedy}`,
  ];
}

/** `namespace/name` of each object of this kind. */
const namesOf = (wanted: string, documents: readonly object[]): readonly string[] =>
  documents.flatMap((document) => {
    const { kind, metadata } = document as Document;
    return kind === wanted && metadata !== undefined ? [`${metadata.namespace}/${metadata.name}`] : [];
  });

interface Document {
  readonly kind?: string;
  readonly metadata?: { readonly namespace: string; readonly name: string };
}
