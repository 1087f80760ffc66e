import { JOB_LABEL, NAMESPACE, RUN_LABEL } from './job.ts';

/** Paths of the API server. Names are escaped, because a user typed some of them. */
const escaped = encodeURIComponent;

/** Nodes of one page of a list. */
const PAGE = 200;

export const DAEMON_SET = `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets/tapwire`;
export const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;

export const nodesPath = (token: string): string =>
  `/api/v1/nodes?limit=${PAGE}${token === '' ? '' : `&continue=${escaped(token)}`}`;

/** Deletes the pod as well, which the API does not by default. */
export const deletedJobPath = (name: string): string => `${JOBS}/${name}?propagationPolicy=Background`;

/** Pods of one run. */
export const runPodsPath = (run: string): string =>
  `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${escaped(`${RUN_LABEL}=${run},${JOB_LABEL}`)}`;

/** @param limit bytes */
export const logPath = (pod: string, limit: number): string =>
  `/api/v1/namespaces/${NAMESPACE}/pods/${escaped(pod)}/log?limitBytes=${limit}`;

export const vmiPath = (namespace: string, name: string): string =>
  `/apis/kubevirt.io/v1/namespaces/${escaped(namespace)}/virtualmachineinstances/${escaped(name)}`;

/** @param uid of the VMI, with which KubeVirt labels its pods */
export const launchersPath = (namespace: string, uid: string): string =>
  `/api/v1/namespaces/${escaped(namespace)}/pods?labelSelector=${escaped(`kubevirt.io/created-by=${uid}`)}`;
