/**
 * virt-launcher's side of the hooks API, over protobufjs and a .proto of the tests: nothing here comes from the sidecar's own codec.
 *
 * Source: kubevirt pkg/hooks/manager.go, pkg/util/net/grpc/grpc.go
 */
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { Client, credentials } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { HANG } from './hang.ts';

/** How long virt-launcher dials a path before it looks at the directory again; ms. */
const DIAL_TIMEOUT = 2_000;

const messages = loadSync(`${import.meta.dirname}/../fixtures/hooks.proto`, {
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

/** Dials as virt-launcher does, once for each call; rejects when nothing speaks HTTP/2 there within `timeout` ms. */
export async function dial(socket: string, timeout = HANG): Promise<Client> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  });
  try {
    await promisify(client.waitForReady.bind(client))(Date.now() + timeout);
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}

/** One call with bytes as they are; rejects with grpc-js' ServiceError. */
export async function callRaw(socket: string, path: string, request: Buffer): Promise<Buffer> {
  const client = await dial(socket);
  const asIs = (bytes: Buffer) => bytes;
  try {
    return await new Promise((resolve, reject) => {
      const deadline = Date.now() + HANG;
      client.makeUnaryRequest(path, asIs, asIs, request, { deadline }, (error, answer) =>
        answer === undefined ? reject(error) : resolve(answer),
      );
    });
  } finally {
    client.close();
  }
}

export async function callInfo(socket: string): Promise<Record<string, unknown>> {
  const request = encodeMessage('InfoParams', {});
  return decodeMessage('InfoResult', await callRaw(socket, '/kubevirt.hooks.info.Info/Info', request));
}

export async function callBack(
  socket: string,
  version: string,
  method: string,
  params: object,
): Promise<Record<string, unknown>> {
  const request = encodeMessage(`${method}Params`, params);
  const answer = await callRaw(socket, `/kubevirt.hooks.${version}.Callbacks/${method}`, request);
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

/** What virt-launcher dials in each layout of the hook directory. */
export type HookLayout =
  /** KubeVirt >= 1.6: files in the directory's subdirectories. */
  | 'nested'
  /** Before: whatever is in the directory. */
  | 'flat';

export interface CollectedHook {
  readonly socket: string;
  readonly info: Record<string, unknown>;
  /** Every path that was dialled without success, before. */
  readonly refused: readonly string[];
}

/** Polls until so many sockets have answered Info. An Info that fails is fatal, as it is for virt-launcher. */
export async function collectHooks(
  directory: string,
  layout: HookLayout,
  count: number,
  interval = 300, // ms
): Promise<CollectedHook[]> {
  const found = new Map<string, CollectedHook>();
  const refused: string[] = [];
  for (const deadline = Date.now() + HANG; found.size < count; ) {
    if (Date.now() > deadline) throw new Error(`${found.size} of ${count} hooks in ${directory}`);
    for (const [name, socket] of entries(directory, layout)) {
      if (found.has(name)) continue;
      const reached = await canDial(socket);
      if (reached) found.set(name, { socket, info: await callInfo(socket), refused: [...refused] });
      else refused.push(socket);
    }
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
  return [...found.values()];
}

async function canDial(socket: string): Promise<boolean> {
  try {
    (await dial(socket, DIAL_TIMEOUT)).close();
    return true;
  } catch {
    return false;
  }
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
