import { get, isObject } from '../../shared/json.ts';
import { textAt } from './objects.ts';

export const NAMESPACE = 'tapwire';
/** Label of all Jobs and pods of one run of this command. */
export const RUN_LABEL = 'tapwire.io/run';
/** Label of a pod: the name of its Job. */
export const JOB_LABEL = 'tapwire.io/job';
/** Where the node's "/" is mounted in the pod. */
const ROOT = '/host';
/** Time in s that a Job may live longer than this command waits for it. */
const GRACE = 30;
/** Time in s after which the cluster deletes a Job that has ended. */
const KEEP = 60;

/** What a Job takes from the DaemonSet, so that it starts wherever the agent does. */
export interface AgentTemplate {
  /** The pod spec of the template. */
  readonly spec: unknown;
  readonly annotations: unknown;
  readonly image: string;
}

/** One command of the command line, to run in a pod on a node. */
export interface Task {
  readonly node: string;
  readonly command: 'doctor' | 'inspect';
  /** Arguments besides `--root`. */
  readonly args: readonly string[];
}

/**
 * Rights of each command. SYS_CHROOT: `--root`. SYS_ADMIN: network namespaces. NET_ADMIN: links and
 * nftables. The others: which processes are in a pod's netns, and which taps they have open.
 */
const CAPABILITIES = {
  doctor: ['NET_ADMIN', 'SYS_ADMIN', 'SYS_CHROOT'],
  inspect: ['DAC_READ_SEARCH', 'NET_ADMIN', 'SYS_ADMIN', 'SYS_CHROOT', 'SYS_PTRACE'],
} as const;

/** Reads the DaemonSet. The image is empty if it has no container "agent". Pure. */
export function templateOf(daemonSet: unknown): AgentTemplate {
  const spec = get(daemonSet, 'spec', 'template', 'spec');
  const containers = get(spec, 'containers');
  const agent = Array.isArray(containers) ? containers.find((one) => get(one, 'name') === 'agent') : null;
  const annotations = get(daemonSet, 'spec', 'template', 'metadata', 'annotations');
  return { spec, annotations, image: textAt(agent, 'image') };
}

/**
 * Longest time in s that a Job exists if nobody deletes it: until its deadline, and then until the
 * cluster deletes it.
 */
export const lifetimeOf = (timeout: number): number => timeout + GRACE + KEEP;

/**
 * Writes a Job that runs a command once, in a pod on one node. Pure.
 *
 * The pod sees the node's processes by the node's own /proc, so it needs no hostPID. A grace period
 * of 0 lets the API server delete the pod without waiting for a kubelet that does not answer.
 *
 * @param timeout time in s that this command waits for the pod
 */
export function toJob(
  name: string,
  run: string,
  { node, command, args }: Task,
  template: AgentTemplate,
  timeout: number,
): object {
  const labels = { 'app.kubernetes.io/name': 'tapwire-diagnosis', [RUN_LABEL]: run };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: NAMESPACE, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: timeout + GRACE,
      ttlSecondsAfterFinished: KEEP,
      template: {
        metadata: { labels: { ...labels, [JOB_LABEL]: name }, ...annotationsOf(template) },
        spec: {
          nodeName: node, // also on nodes that are cordoned
          tolerations: [{ operator: 'Exists' }],
          hostNetwork: true, // the agent's health is on the loopback
          dnsPolicy: 'Default',
          enableServiceLinks: false,
          serviceAccountName: textAt(template.spec, 'serviceAccountName') || 'default',
          automountServiceAccountToken: false,
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 0,
          ...given(template.spec, 'imagePullSecrets'),
          securityContext: {
            seccompProfile: { type: 'RuntimeDefault' },
            seLinuxOptions: { type: 'spc_t' },
          },
          containers: [
            {
              name: command,
              image: template.image,
              command: ['/app/node', '/app/tapwire/index.js'],
              args: [command, '--root', ROOT, ...args],
              securityContext: {
                runAsUser: 0,
                runAsGroup: 0,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'], add: CAPABILITIES[command] },
              },
              volumeMounts: [
                // Without propagation, the pod would miss later network namespaces and keep ended
                // ones alive.
                { name: 'node', mountPath: ROOT, readOnly: true, mountPropagation: 'HostToContainer' },
              ],
            },
          ],
          volumes: [{ name: 'node', hostPath: { path: '/', type: 'Directory' } }],
        },
      },
    },
  };
}

/** OpenShift's choice of security context constraints. */
function annotationsOf({ annotations }: AgentTemplate): object {
  const scc = given(annotations, 'openshift.io/required-scc');
  return Object.keys(scc).length === 0 ? {} : { annotations: scc };
}

const given = (object: unknown, key: string): object =>
  isObject(object) && Object.hasOwn(object, key) ? { [key]: object[key] } : {};
