/**
 * A stand-in for the controllers and kubelets that act on Jobs: a pod for each Job, its deadline,
 * and the deletion of Jobs that have ended.
 *
 * Source: kubernetes pkg/controller/job, pkg/controller/ttlafterfinished
 */
import type { Resource } from './kustomize.ts';

/** Result of a pod's only container. */
export interface PodResult {
  readonly exitCode: number;
  readonly log: string;
}

/** Runs a pod by its spec. Null: the kubelet does not answer, and the pod stays pending. */
export type RunPod = (spec: Resource) => Promise<PodResult | null>;

interface Entry {
  readonly pod: Resource;
  log: string;
  readonly timers: NodeJS.Timeout[];
}

export class Jobs {
  readonly #entries = new Map<string, Entry>();
  readonly #run: RunPod;
  readonly #second: number;
  /** Every Job ever created. */
  readonly created: Resource[] = [];
  /** Most Jobs at a time. */
  most = 0;

  /** @param second length of the cluster's second in ms */
  constructor(run: RunPod, second: number) {
    this.#run = run;
    this.#second = second;
  }

  names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  pods(): readonly Resource[] {
    return [...this.#entries.values()].map(({ pod }) => pod);
  }

  logOf(pod: string): string | undefined {
    return [...this.#entries.values()].find((entry) => entry.pod.metadata.name === pod)?.log;
  }

  add(job: Resource): void {
    const { name } = job.metadata;
    const { metadata, spec } = structuredClone(job.spec.template);
    const pod = { metadata: { ...metadata, name: `${name}-x7k2p` }, spec, status: { phase: 'Pending' } };
    const entry: Entry = { pod, log: '', timers: [] };
    this.#entries.set(name, entry);
    this.created.push(job);
    this.most = Math.max(this.most, this.#entries.size);
    const end = () => this.#after(entry, job.spec.ttlSecondsAfterFinished, () => this.delete(name));
    this.#after(entry, job.spec.activeDeadlineSeconds, end);
    this.#run(spec).then((result) => {
      if (result === null) return;
      entry.log = result.log;
      entry.pod.status = statusOf(result);
      end();
    });
  }

  /** Returns whether there was such a Job. */
  delete(name: string): boolean {
    for (const timer of this.#entries.get(name)?.timers ?? []) clearTimeout(timer);
    return this.#entries.delete(name);
  }

  close(): void {
    for (const name of this.names()) this.delete(name);
  }

  #after({ timers }: Entry, seconds: number, act: () => void): void {
    timers.push(setTimeout(act, seconds * this.#second));
  }
}

const statusOf = ({ exitCode }: PodResult): Resource => ({
  phase: exitCode === 0 ? 'Succeeded' : 'Failed',
  containerStatuses: [{ state: { terminated: { exitCode } } }],
});
