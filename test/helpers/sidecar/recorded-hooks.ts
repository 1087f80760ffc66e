/** Recorded hook calls: the sidecars, virt-launcher's requests to each, and their replies. */
import { secondaryTapIfname } from '../../../shared/kubevirt/names.ts';
import type { Json } from '../cluster/cni-runtime.ts';
import { filesIn, recordedBytes, recordedJson } from '../plugin/recorded.ts';

export interface RecordedSidecar {
  /** The container's name. */
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** False for a sidecar that is not Tapwire. */
  readonly isOurs: boolean;
  readonly log: readonly Json[];
  /** How a sidecar of Tapwire's exited. */
  readonly code: number | undefined;
}

export interface RecordedHook {
  /** Files of this call. */
  readonly paths: readonly string[];
  /** Position in time among the calls of all sidecars of the case, starting at 1. */
  readonly number: number;
  readonly sidecar: string;
  readonly method: string;
  /** Metadata of the request, in order, with lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly frames: { readonly client: readonly string[]; readonly server: readonly string[] };
  /** Messages as bytes of protobuf. */
  readonly request: Buffer;
  readonly answer: Buffer;
  /** Only OnDefineDomain has it. */
  readonly domain: string;
  readonly answeredDomain: string;
}

/** One VM, from the first Info to the exit of its sidecars. */
export interface RecordedVm {
  readonly name: string;
  readonly sidecars: readonly RecordedSidecar[];
  readonly sidecarsPath: string;
  readonly calls: readonly RecordedHook[];
  readonly vmi: Buffer;
  /** Files without a call: bytes of connections, and connections without a call. */
  readonly others: readonly string[];
}

export function recordedVms(): readonly RecordedVm[] {
  return filesIn('hooks').map((directory) => {
    const paths = filesIn(directory);
    const sidecarsPath = `${directory}/0-sidecars.json`;
    const heads = paths
      .filter((path) => /\/\d+-(Info|OnDefineDomain|PreCloudInitIso|Shutdown)\.json$/.test(path))
      .sort((one, other) => numberOf(one) - numberOf(other));
    const vmiPath = paths.find((path) => path.endsWith('-vmi.json')) ?? '';
    const vmi = recordedBytes(vmiPath);
    const calls = heads.map((path) => callOf(path, paths, vmi));
    const used = new Set([sidecarsPath, ...calls.flatMap((call) => call.paths)]);
    return {
      name: directory.slice('hooks/'.length),
      sidecars: recordedJson(sidecarsPath).map(sidecarOf),
      sidecarsPath,
      calls,
      vmi,
      others: paths.filter((path) => !used.has(path)),
    };
  });
}

const numberOf = (path: string): number => Number(/\/(\d+)-/.exec(path)?.[1]);

function sidecarOf({ sidecar, start, events, log }: Json): RecordedSidecar {
  return {
    name: sidecar,
    env: start.env,
    isOurs: start.env.REC_ECHO === undefined,
    log,
    code: events.find(({ event }: Json) => event === 'sidecar-exit')?.code,
  };
}

function callOf(path: string, paths: readonly string[], vmi: Buffer): RecordedHook {
  const { sidecar, method, headers, headerOrder, frames, grpcFrame, request, answer } = recordedJson(path);
  const stem = path.slice(0, -'.json'.length);
  const own = paths.filter(
    (other) => other === path || new RegExp(`^${stem}-(domain|answer|vmi)\\.`).test(other),
  );
  const bytesOf = (file: string) => recordedBytes(path.replace(/[^/]*$/, file));
  const message = Buffer.concat(
    request.map(({ field, name, file, text }: Json) =>
      fieldBytes(field, name === 'vmi' ? vmi : text === undefined ? bytesOf(file) : Buffer.from(text)),
    ),
  );
  if (message.length !== grpcFrame.length) throw new Error(`${path}: not all of the request is there`);
  const domain = request.find(({ name }: Json) => name === 'domainXML');
  const isSame = answer.domainXML === 'as in the request';
  const answeredDomain = domain && bytesOf(isSame ? domain.file : answer.domainXML);
  const fields: Json[] = answer.fields ?? [];
  return {
    paths: own,
    number: numberOf(path),
    sidecar,
    method,
    headers: Object.fromEntries(headerOrder.map((name: string) => [name, headers[name]])),
    frames,
    request: message,
    answer: Buffer.concat(
      answeredDomain
        ? [fieldBytes(1, answeredDomain)]
        : fields.map(({ field, b64 }) => fieldBytes(field, Buffer.from(b64, 'base64'))),
    ),
    domain: domain ? bytesOf(domain.file).toString() : '',
    answeredDomain: answeredDomain?.toString() ?? '',
  };
}

/** A length-delimited field of a message. */
function fieldBytes(field: number, bytes: Buffer): Buffer {
  const varint: number[] = [];
  let rest = bytes.length;
  for (; rest > 127; rest >>>= 7) varint.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varint, rest]), bytes]);
}

/** A pod link of the VM's pod, and how it was wired. */
export interface RecordedWiring {
  readonly network: string;
  readonly podLink: string;
  readonly mac: string;
  readonly conf: Readonly<Record<string, unknown>>;
}

/**
 * The links that the CNI had to wire for the VM. MACs are those that KubeVirt took from the pod
 * links.
 */
export function wiringOf({ vmi, calls }: RecordedVm): readonly RecordedWiring[] {
  const { spec, status } = JSON.parse(vmi.toString());
  const [first] = calls.filter(({ method }) => method === 'OnDefineDomain');
  const macs = new Map(
    [...(first?.domain ?? '').matchAll(/<target dev="([^"]*)"[\s\S]*?<mac address="([^"]*)"/g)].map(
      ([, tap = '', mac = '']) => [tap, mac],
    ),
  );
  const { interfaces, networkInterfaceMultiqueue: multiQueue = false } = spec.domain.devices;
  return interfaces.map(({ name, binding }: Json) => {
    const { podInterfaceName: podLink } = status.interfaces.find((one: Json) => one.name === name);
    return {
      network: name,
      podLink,
      mac: macs.get(podLink === 'eth0' ? 'tap0' : secondaryTapIfname(podLink)) ?? '02:00:00:00:00:01',
      conf: binding.name === 'rec-passt' ? { binding: 'passt' } : { multiQueue },
    };
  });
}
