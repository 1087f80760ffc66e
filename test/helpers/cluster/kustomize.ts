/**
 * Implements the part of kustomize that Tapwire's manifests use, because Debian has no package of
 * kustomize. Any other field is an error.
 *
 * Source: kubectl.docs.kubernetes.io, kustomization; RFC 6902
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

// biome-ignore lint/suspicious/noExplicitAny: any Kubernetes object
export type Resource = any;

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

const KNOWN = ['apiVersion', 'kind', 'resources', 'components', 'patches', 'images'];

/**
 * Returns the output of `kubectl kustomize DIRECTORY` as objects.
 *
 * @param before the objects to which a component is applied
 */
export function kustomize(directory: string, before: readonly Resource[] = []): readonly Resource[] {
  const kustomization = parse(readFileSync(join(directory, 'kustomization.yaml'), 'utf8'));
  for (const key of Object.keys(kustomization)) {
    if (!KNOWN.includes(key)) throw new Error(`${directory} uses "${key}", which these tests do not know`);
  }
  const { resources = [], components = [], patches = [], images = [] } = kustomization;
  let all = [...before, ...resources.flatMap((path: string) => load(join(directory, path)))];
  for (const path of components) all = [...kustomize(join(directory, path), all)];
  all = structuredClone(all);
  for (const { target, patch } of patches) apply(select(all, target), parse(patch));
  for (const image of images) for (const resource of all) retag(resource, image);
  return all;
}

function load(path: string): readonly Resource[] {
  if (statSync(path).isDirectory()) return kustomize(path);
  return parseAllDocuments(readFileSync(path, 'utf8')).map((document) => document.toJS());
}

function select(all: readonly Resource[], target: Readonly<Record<string, string>>): Resource {
  const { kind, name, ...rest } = target;
  const found = all.filter((one) => one.kind === kind && one.metadata.name === name);
  if (found.length !== 1 || Object.keys(rest).length > 0)
    throw new Error(`Cannot patch ${JSON.stringify(target)}: want the kind and name of one resource`);
  return found[0];
}

function apply(resource: Resource, operations: readonly Operation[]): void {
  for (const { op, path, value } of operations) {
    const keys = path.slice(1).split('/');
    const last = keys.pop() ?? '';
    const parent = keys.reduce((at, key) => at[key], resource);
    const isThere = Object.hasOwn(parent, last);
    if (op === 'add' && last === '-') parent.push(value);
    else if (op === 'add' && !Array.isArray(parent)) parent[last] = value;
    else if (op === 'replace' && isThere) parent[last] = value;
    else if (op === 'remove' && isThere && !Array.isArray(parent)) delete parent[last];
    else if (op !== 'test' || JSON.stringify(parent[last]) !== JSON.stringify(value)) {
      throw new Error(`Cannot ${op} ${path} of ${resource.kind}`);
    }
  }
}

function retag(resource: Resource, image: Readonly<Record<string, string>>): void {
  const { initContainers = [], containers = [] } = resource.spec?.template?.spec ?? {};
  for (const container of [...initContainers, ...containers]) {
    const [, name, tag] = /^(.*?)(?::([^/:]*))?$/.exec(container.image) ?? [];
    if (name !== image['name']) continue;
    container.image = `${image['newName'] ?? name}:${image['newTag'] ?? tag ?? 'latest'}`;
  }
}
