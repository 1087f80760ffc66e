/**
 * virt-launcher's side of the hooks API, over protobufjs and a .proto of the tests, without the
 * sidecar's own codec. Every call has a connection of its own.
 *
 * Source: kubevirt pkg/hooks/manager.go, pkg/util/net/grpc/grpc.go
 */
import { readdirSync } from 'node:fs';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { HANG } from '../hang.ts';
import { type Connection, dial } from './grpc-go.ts';

/**
 * Time in ms that virt-launcher dials a path before it reads the directory again.
 *
 * Source: pkg/util/net/grpc/grpc.go
 */
const DIAL_TIMEOUT = 2_000;

/** Deadlines that the server is given, in ms. */
export interface Timeouts {
  readonly info: number;
  readonly callback: number;
}
/** virt-launcher's deadline. */
export const TIMEOUTS: Timeouts = { info: 1_000, callback: 60_000 };
/** Deadline of the tests' own calls: no test fails for being slow. */
const LENIENT: Timeouts = { info: HANG, callback: HANG };

const messages = loadSync(`${import.meta.dirname}/../../fixtures/hooks.proto`, {
  keepCase: true,
  defaults: true,
});

function messageType(name: string): MessageTypeDefinition<object, object> {
  return messages[`kubevirt.hooks.${name}`] as MessageTypeDefinition<object, object>;
}

export function encodeMessage(name: string, message: object): Buffer {
  return messageType(name).serialize(message);
}

export function decodeMessage(name: string, bytes: Uint8Array): Record<string, unknown> {
  return { ...messageType(name).deserialize(Buffer.from(bytes)) };
}

/**
 * Makes one call with these bytes.
 *
 * @throws {CallError}
 */
export async function callRaw(
  socket: string,
  path: string,
  request: Uint8Array,
  timeout = HANG,
): Promise<Buffer> {
  const connection = await dial(socket);
  try {
    return await connection.call(path, request, timeout);
  } finally {
    connection.close();
  }
}

export async function callInfo(socket: string): Promise<Record<string, unknown>> {
  return askInfo(await dial(socket));
}

async function askInfo(connection: Connection, timeout = HANG): Promise<Record<string, unknown>> {
  const request = encodeMessage('InfoParams', {});
  try {
    const answer = await connection.call('/kubevirt.hooks.info.Info/Info', request, timeout);
    return decodeMessage('InfoResult', answer);
  } finally {
    connection.close();
  }
}

export async function callBack(
  socket: string,
  version: string,
  method: string,
  params: object,
  timeout = HANG,
): Promise<Record<string, unknown>> {
  const request = encodeMessage(`${method}Params`, params);
  const answer = await callRaw(socket, `/kubevirt.hooks.${version}.Callbacks/${method}`, request, timeout);
  return decodeMessage(`${method}Result`, answer);
}

/** OnDefineDomain of v1alpha3, which virt-launcher prefers. */
export async function callDefineDomain(
  socket: string,
  domainXML: Uint8Array | string,
  vmi: Uint8Array,
): Promise<string> {
  const params = { domainXML: Buffer.from(domainXML), vmi: Buffer.from(vmi) };
  const result = await callBack(socket, 'v1alpha3', 'OnDefineDomain', params);
  return Buffer.from(result['domainXML'] as Uint8Array).toString();
}

/** Paths that virt-launcher dials in each layout of the hook directory. */
export type HookLayout =
  /** KubeVirt >= 1.6: files in the directory's subdirectories. */
  | 'nested'
  /** Before: every file in the directory. */
  | 'flat';

export interface CollectedHook {
  readonly socket: string;
  readonly info: Record<string, unknown>;
  /** Every path that was dialled in vain before. */
  readonly refused: readonly string[];
}

/**
 * Polls until this many sockets have replied to Info. An Info that fails is fatal, as it is for
 * virt-launcher.
 */
export async function collectHooks(
  directory: string,
  layout: HookLayout,
  count: number,
  interval = 300, // ms
  timeouts = LENIENT,
): Promise<CollectedHook[]> {
  const found = new Map<string, CollectedHook>();
  const refused: string[] = [];
  for (const deadline = Date.now() + HANG; found.size < count; ) {
    if (Date.now() > deadline) throw new Error(`${found.size} of ${count} hooks in ${directory}`);
    for (const [name, socket] of entries(directory, layout)) {
      if (found.has(name)) continue;
      const connection = await dial(socket, DIAL_TIMEOUT).catch(() => null);
      if (connection === null) refused.push(socket);
      else found.set(name, { socket, info: await askInfo(connection, timeouts.info), refused: [...refused] });
    }
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
  return [...found.values()];
}

function entries(directory: string, layout: HookLayout): [name: string, path: string][] {
  const all = readdirSync(directory, { withFileTypes: true });
  if (layout === 'flat') return all.map(({ name }) => [name, `${directory}/${name}`]);
  return all
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readdirSync(`${directory}/${name}`, { withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => [entry.name, `${entry.parentPath}/${entry.name}`]);
}
