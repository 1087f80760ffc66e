/**
 * Replies of a Kubernetes API server to the requests of `tapwire … --cluster`, by the right that
 * each request needs.
 */
import type { IncomingMessage } from 'node:http';
import * as kubernetes from '@kubevirt-ui-ext/kubevirt-api/kubernetes';
import type { Jobs, RunPod } from './jobs.ts';
import type { Resource } from './kustomize.ts';

export interface World {
  readonly nodes?: readonly Resource[];
  readonly daemonSet?: Resource;
  readonly vmis?: readonly Resource[];
  /** Pods besides those of Jobs. */
  readonly pods?: readonly Resource[];
  readonly run?: RunPod;
  /** A right that the user lacks: `create jobs`. */
  readonly denied?: string;
  /** Length of the cluster's second in ms. */
  readonly second?: number;
}

export type Reply = readonly [status: number, body: Resource | string];
/** @param parts what the path's groups matched */
type Handler = (parts: readonly string[], query: URLSearchParams, body: string) => Reply;

/** Right, method, path and reply. The right is a verb and a resource, as in RBAC. */
export const routesOf = (
  world: World,
  jobs: Jobs,
): readonly (readonly [string, string, RegExp, Handler])[] => [
  ['list nodes', 'GET', /^\/api\/v1\/nodes$/, (_, query) => [200, pageOf(world.nodes ?? [], query)]],
  [
    'get daemonsets',
    'GET',
    /^\/apis\/apps\/v1\/namespaces\/tapwire\/daemonsets\/(tapwire)$/,
    ([name]) => found(world.daemonSet, 'daemonsets.apps', name),
  ],
  [
    'get virtualmachineinstances',
    'GET',
    /^\/apis\/kubevirt.io\/v1\/namespaces\/([^/]+)\/virtualmachineinstances\/([^/]+)$/,
    ([namespace, name]) =>
      found(
        world.vmis?.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
        'virtualmachineinstances.kubevirt.io',
        name,
      ),
  ],
  [
    'list pods',
    'GET',
    /^\/api\/v1\/namespaces\/([^/]+)\/pods$/,
    ([namespace], query) => {
      const all = namespace === 'tapwire' ? jobs.pods() : (world.pods ?? []);
      return [200, { items: all.filter(({ metadata }) => isSelected(metadata.labels, query)) }];
    },
  ],
  [
    'get pods/log',
    'GET',
    /^\/api\/v1\/namespaces\/tapwire\/pods\/([^/]+)\/log$/,
    ([name = ''], query) => [200, (jobs.logOf(name) ?? '').slice(0, Number(query.get('limitBytes')))],
  ],
  [
    'create jobs',
    'POST',
    /^\/apis\/batch\/v1\/namespaces\/tapwire\/jobs$/,
    (_p, _q, body) => addJob(jobs, body),
  ],
  [
    'delete jobs',
    'DELETE',
    /^\/apis\/batch\/v1\/namespaces\/tapwire\/jobs\/([^/]+)$/,
    ([name = ''], query) => {
      if (query.get('propagationPolicy') !== 'Background')
        return status(400, 'BadRequest', 'its pod would stay');
      return jobs.delete(name) ? [200, {}] : status(404, 'NotFound', `jobs.batch "${name}" not found`);
    },
  ],
];

export function answer(
  routes: ReturnType<typeof routesOf>,
  denied: string | undefined,
  { method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>,
  body: string,
): Reply {
  const { pathname, searchParams } = new URL(url, 'http://api');
  for (const [right, verb, path, handle] of routes) {
    const match = path.exec(decodeURIComponent(pathname));
    if (match === null || method !== verb) continue;
    if (right !== denied) return handle(match.slice(1), searchParams, body);
    const [act, resource] = right.split(' ');
    return status(
      403,
      'Forbidden',
      `${resource} is forbidden: User "admin" cannot ${act} resource "${resource}"`,
    );
  }
  return status(404, 'NotFound', 'the server could not find the requested resource');
}

function addJob(jobs: Jobs, body: string): Reply {
  const job = JSON.parse(body);
  const known = kubernetes.IoK8sApiBatchV1JobToJSON(kubernetes.IoK8sApiBatchV1JobFromJSON(job));
  if (JSON.stringify(sorted(JSON.parse(JSON.stringify(known)))) !== JSON.stringify(sorted(job))) {
    return status(400, 'BadRequest', 'strict decoding error: unknown field');
  }
  jobs.add(job);
  return [201, job];
}

/** With the keys of every object in order. */
const sorted = (value: Resource): Resource =>
  Array.isArray(value)
    ? value.map(sorted)
    : value !== null && typeof value === 'object'
      ? Object.fromEntries(
          Object.keys(value)
            .sort()
            .map((key) => [key, sorted(value[key])]),
        )
      : value;

const found = (object: Resource, resource: string, name = ''): Reply =>
  object === undefined ? status(404, 'NotFound', `${resource} "${name}" not found`) : [200, object];

const status = (code: number, reason: string, message: string): Reply => [
  code,
  { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, reason, code },
];

function pageOf(items: readonly Resource[], query: URLSearchParams): Resource {
  const [start, limit] = [Number(query.get('continue') ?? 0), Number(query.get('limit'))];
  const end = start + limit;
  return { metadata: end < items.length ? { continue: `${end}` } : {}, items: items.slice(start, end) };
}

const isSelected = (labels: Readonly<Record<string, string>>, query: URLSearchParams): boolean =>
  (query.get('labelSelector') ?? '').split(',').every((requirement) => {
    const [key = '', value] = requirement.split('=');
    return value === undefined ? Object.hasOwn(labels, key) : labels[key] === value;
  });
