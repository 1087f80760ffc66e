import { stringify } from 'yaml';
import { get } from '../../shared/json.ts';
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
 * it, because `kubectl apply` would remove the bindings that other patches have registered. NADs
 * come before the patches that name them, and VMs after, because they start at once.
 *
 * @param path of the directory, for the commands
 */
export function toDirectory(manifests: readonly Manifest[], path: string): ManifestDirectory {
  const files = new Map<string, string>();
  const patches: string[] = [];
  const resources: string[] = [];
  const networks: string[] = [];
  for (const manifest of withoutRepetition(manifests)) {
    const name = manifest.file.replaceAll('/', '-');
    const file = quoted(`${path}/${name}`);
    files.set(name, toYaml(manifest, name));
    if (manifest.patchCommand !== undefined) patches.push(`${manifest.patchCommand}${file}`);
    else {
      resources.push(name);
      if (!manifest.documents.some(isVm)) networks.push(`kubectl apply -f ${file}`);
    }
  }
  if (resources.length === 0) return { files, commands: patches };
  const hasVms = networks.length < resources.length;
  files.set(KUSTOMIZATION, kustomizationOf(resources, hasVms));
  const applyAll = `kubectl apply -k ${quoted(path)}`;
  return { files, commands: hasVms ? [...networks, ...patches, applyAll] : [applyAll, ...patches] };
}

const isVm = (document: object): boolean => get(document, 'kind') === 'VirtualMachine';

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

function kustomizationOf(resources: readonly string[], hasVms: boolean): string {
  const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources };
  const about = hasVms
    ? ABOUT_VMS
    : '# The objects of this directory. The patches are not part of it: each file says how to apply it.';
  return `${about}\n${stringify(kustomization)}`;
}

const ABOUT_VMS = `# The objects of this directory. Apply the patches first: each file says how. VMs are examples, and start at
# once: to leave them out, delete their lines.`;

/** Quotes a path for a shell, if necessary. A path that begins with "-" must not be an option. */
function quoted(path: string): string {
  const safe = path.startsWith('-') ? `./${path}` : path;
  return /^[\w./@:+,-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", "'\\''")}'`;
}
