import { stringify } from 'yaml';
import { type Manifest, toYaml } from './yaml.ts';

const KUSTOMIZATION = 'kustomization.yaml';

/** A directory of manifests, and the commands that apply it. */
export interface ManifestDirectory {
  /** Text of each file, by its name. */
  readonly files: ReadonlyMap<string, string>;
  /** Commands for a shell, in order, with paths that begin with that of the directory. */
  readonly commands: readonly string[];
}

/**
 * Creates one file for each manifest, and a kustomization of the objects. Patches are not part of
 * it, because `kubectl apply` would remove the bindings that other patches have registered.
 *
 * @param path of the directory, for the commands
 */
export function toDirectory(manifests: readonly Manifest[], path: string): ManifestDirectory {
  const files = new Map<string, string>();
  const patches: string[] = [];
  const resources: string[] = [];
  for (const manifest of withoutRepetition(manifests)) {
    const name = manifest.file.replaceAll('/', '-');
    files.set(name, toYaml(manifest, name));
    if (manifest.patchCommand === undefined) resources.push(name);
    else patches.push(`${manifest.patchCommand}${quoted(`${path}/${name}`)}`);
  }
  if (resources.length === 0) return { files, commands: patches };
  files.set(KUSTOMIZATION, kustomizationOf(resources));
  return { files, commands: [...patches, `kubectl apply -k ${quoted(path)}`] };
}

/** Removes documents that an earlier manifest has, because kustomize rejects an object twice. */
function withoutRepetition(manifests: readonly Manifest[]): readonly Manifest[] {
  const seen = new Set<string>();
  const isNew = (document: object): boolean => {
    const text = JSON.stringify(document);
    return !seen.has(text) && seen.add(text).size > 0;
  };
  return manifests
    .map((manifest) => ({ ...manifest, documents: manifest.documents.filter(isNew) }))
    .filter(({ documents }) => documents.length > 0);
}

function kustomizationOf(resources: readonly string[]): string {
  const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources };
  return `# The objects of this directory. Apply the patches first: each file says how. VMs are examples, and start at
# once: to leave them out, delete their lines.
${stringify(kustomization)}`;
}

/** Quotes a path for a shell, if necessary. A path that begins with "-" must not be an option. */
function quoted(path: string): string {
  const safe = path.startsWith('-') ? `./${path}` : path;
  return /^[\w./@:+,-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", "'\\''")}'`;
}
