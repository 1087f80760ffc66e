/**
 * Requests of real callers (fixtures/recorded/README.md). Tests that replay a recording report it
 * in the output of the suite and to the test runner, which fails if a recording was not replayed.
 */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../cluster/cni-runtime.ts';

const DIRECTORY = join(import.meta.dirname, '../../fixtures/recorded');

/** One call of a CNI plugin. */
export interface RecordedCall {
  /** Path below the directory. */
  readonly path: string;
  /** The file's name without `.json`. */
  readonly name: string;
  readonly caller: 'containerd' | 'thin' | 'thick';
  /** Variant of Multus that the cluster had at the time; null without Multus. */
  readonly multus: 'thin' | 'thick' | null;
  /** The pod's name without `rec-`, or the VM's. */
  readonly case: string;
  readonly plugin: string;
  readonly command: string;
  readonly ifname: string;
  /** In the order of the variables. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: { readonly link: string; readonly getcwd: string; readonly isRoot: boolean };
  readonly stdin: Json;
  readonly exit: number;
  /** Empty, or the parsed stdout. */
  readonly stdout: Json;
  readonly stdoutRaw?: string;
  readonly stderr: string;
  /** Seconds since 1970. */
  readonly at: number;
  /**
   * Other cases with the same call, apart from ids, addresses, MACs, names and the order of
   * variables.
   */
  readonly alsoSeen?: readonly string[];
}

/** Every recorded call, in order of time. */
export function recordedCalls(): readonly RecordedCall[] {
  return filesIn('cni')
    .map(readCall)
    .sort((one, other) => one.at - other.at);
}

function readCall(path: string): RecordedCall {
  const { env, envOrder, ...call } = recordedJson(path);
  const variables = envOrder.map((variable: string) => [variable, env[variable]]);
  return {
    ...call,
    env: Object.fromEntries(variables),
    path,
    name: path.slice('cni/'.length, -'.json'.length),
  };
}

/**
 * The JSON document that a caller wrote to stdin: one line without a line feed, keys in the
 * recorded order.
 */
export const stdinOf = ({ stdin }: RecordedCall): string => JSON.stringify(stdin);

/** Paths of the files in a directory of recordings, sorted by name. */
export const filesIn = (directory: string): readonly string[] =>
  readdirSync(join(DIRECTORY, directory))
    .sort()
    .map((name) => `${directory}/${name}`);

export const recordedBytes = (path: string): Buffer => readFileSync(join(DIRECTORY, path));
export const recordedJson = (path: string): Json => JSON.parse(recordedBytes(path).toString());

/** A pod's annotation, parsed; undefined if the pod has none. */
export function annotationOf(pod: Json, name: 'networks' | 'network-status'): Json {
  const text: string | undefined = pod.metadata.annotations?.[`k8s.v1.cni.cncf.io/${name}`];
  return text === undefined ? undefined : JSON.parse(text);
}

/**
 * A file of the runner (test/run.ts). Every process adds a line for each recording that it has
 * replayed.
 */
const LEDGER = process.env['TAPWIRE_REPLAYED'];

/** Reports that these recordings, all of `what`, were replayed and compared. */
export function replayed(what: string, paths: readonly string[]): void {
  if (LEDGER !== undefined) appendFileSync(LEDGER, paths.map((path) => `${path}\n`).join(''));
  // On a line of its own after uvu's dots; the runner shows it.
  console.log(`\n@ replayed ${what}: ${paths.join(' ')}`);
}
