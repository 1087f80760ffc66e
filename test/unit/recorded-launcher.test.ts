/**
 * Compares the tests' stand-ins for virt-launcher with the real one (fixtures/recorded): from the
 * same VMI, domain and replies, they run the same passes, call the same sidecars in the same order
 * with the same bytes, and send the same frames as its gRPC client.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { interfacesOf, withInterfaces } from '../helpers/lab/domain-spec.ts';
import { type GoElement, parseGoXml } from '../helpers/lab/go-xml.ts';
import { TIMEOUTS } from '../helpers/sidecar/hook-api.ts';
import { startHookManager } from '../helpers/sidecar/hook-manager.ts';
import { type RecordedHook, type RecordedVm, recordedVms } from '../helpers/sidecar/recorded-hooks.ts';
import { makeHookDirectory } from '../helpers/sidecar/sidecar.ts';
import { defineInPasses, placeholderCount } from '../helpers/sidecar/virt-launcher.ts';
import { vmiJson } from '../helpers/sidecar/vmi.ts';

const test = suite('the stand-in for virt-launcher');

/** The requests to all sidecars at one definition of the domain. */
function passesOf({ calls }: RecordedVm): readonly { readonly domain: string; readonly answer: string }[] {
  const defines = calls.filter(({ method }) => method === 'OnDefineDomain');
  const [first] = defines;
  const starts = defines.flatMap(({ sidecar }, i) => (sidecar === first?.sidecar ? [i] : []));
  return starts.map((start, i) => {
    const pass = defines.slice(start, starts[i + 1]);
    return { domain: pass[0]?.domain ?? '', answer: pass.at(-1)?.answeredDomain ?? '' };
  });
}

const isPlaceholder = (one: GoElement) =>
  one.children.some(
    ({ name, attributes }) => name === 'alias' && attributes['name']?.startsWith('placeholder-'),
  );

for (const vm of recordedVms()) {
  test(`${vm.name}: the stand-in runs virt-launcher's passes, each domain byte for byte`, async () => {
    const passes = passesOf(vm);
    const [passA, passB] = passes;
    assert.ok(passA && passB);
    const withRoom = parseGoXml(passA.domain);
    const spec = withInterfaces(
      withRoom,
      interfacesOf(withRoom).filter((one) => !isPlaceholder(one)),
    );
    const { interfaces } = JSON.parse(vm.vmi.toString()).spec.domain.devices;
    const made = await defineInPasses(spec, {
      hook: async (xml) => passes.find(({ domain }) => domain === xml)?.answer ?? xml,
      // Only pass B shows what libvirt made of pass A's reply.
      define: async () => passB.domain,
      placeholders: placeholderCount(interfaces.length),
      keepsCommandline: false,
    });
    assert.is(made.length, passes.length);
    for (const [i, { input }] of made.entries()) assert.is(input, passes[i]?.domain, `pass ${'ABC'[i]}`);
  });
}

/** One call as a sidecar got it. */
interface Got {
  readonly sidecar: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly request: Buffer;
  readonly frames: readonly string[];
}

const FRAMES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
];
const PREFACE_BYTES = 24;

/** The client's frames as the recordings name them. */
function framesOf(bytes: Buffer): string[] {
  const frames: string[] = [];
  for (let at = PREFACE_BYTES; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const [type, flags, stream] = [
      bytes.readUInt8(at + 3),
      bytes.readUInt8(at + 4),
      bytes.readUInt32BE(at + 5),
    ];
    frames.push(`${FRAMES[type]} flags=${flags} stream=${stream} length=${bytes.readUIntBE(at, 3)}`);
  }
  return frames;
}

/**
 * A sidecar that replies as the recorded one did, call after call, behind a socket that records the
 * client's bytes.
 */
class Player {
  readonly got: Promise<Got>[] = [];
  readonly #calls: RecordedHook[];
  readonly #server: Http2Server = createHttp2Server();
  readonly #front: Server;
  readonly #name: string;

  constructor(name: string, calls: readonly RecordedHook[]) {
    this.#name = name;
    this.#calls = [...calls];
    this.#front = createServer({ allowHalfOpen: true });
  }

  async listen(socket: string, inner: string, onCall: (got: Promise<Got>) => void): Promise<void> {
    this.#server.on('stream', (stream, _headers, _flags, rawHeaders) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', () => {});
      stream.on('end', () => {
        const call = this.#calls.shift();
        const answer = call?.answer ?? Buffer.alloc(0);
        const head = Buffer.alloc(5);
        head.writeUInt32BE(answer.length, 1);
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.concat([head, answer]));
        asked.resolve({ headers: pairs(rawHeaders), request: Buffer.concat(chunks).subarray(5) });
      });
    });
    let asked = Promise.withResolvers<Pick<Got, 'headers' | 'request'>>();
    this.#front.on('connection', (client) => {
      const upstream = createConnection(inner);
      const bytes: Buffer[] = [];
      const done = Promise.withResolvers<void>();
      client.on('data', (chunk: Buffer) => {
        bytes.push(chunk);
        upstream.write(chunk);
      });
      upstream.on('data', (chunk) => client.write(chunk));
      for (const socket of [client, upstream]) socket.on('error', () => {});
      client.on('close', () => {
        upstream.destroy();
        done.resolve();
      });
      client.on('end', () => client.end());
      asked = Promise.withResolvers();
      onCall(
        Promise.all([asked.promise, done.promise]).then(([call]) => ({
          ...call,
          sidecar: this.#name,
          frames: framesOf(Buffer.concat(bytes)),
        })),
      );
    });
    await new Promise<void>((resolve) => this.#server.listen(inner, resolve));
    await new Promise<void>((resolve) => this.#front.listen(socket, resolve));
  }

  stop(): void {
    this.#front.close();
    this.#server.close();
  }
}

const pairs = (raw: readonly string[]): (readonly [string, string])[] =>
  raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ''] as const] : []));

/** Replaces the time that is left, which differs between machines, by the timeout. */
const timeless = ([name, value]: readonly [string, string]) =>
  [name, name === 'grpc-timeout' ? value.replace(/^(\d+)u$/, timeoutOf) : value] as const;

/** The shortest of virt-launcher's timeouts that fits. @param left microseconds */
const timeoutOf = (_: string, left: string): string =>
  `at most ${[1, 60].find((seconds) => Number(left) <= seconds * 1_000_000)} s`;

/** How headers were compressed does not matter. */
const comparable = (frames: readonly string[]) =>
  frames.map((frame) => frame.replace(/^(HEADERS .*) length=\d+$/, '$1'));

for (const vm of recordedVms()) {
  test(`${vm.name}: the stand-in makes the hooks manager's calls, frame by frame and in order`, async () => {
    const place = mkdtempSync(join(tmpdir(), 'tapwire-play-'));
    const hooks = makeHookDirectory(join(place, 'hooks'));
    const infos = vm.calls.filter(({ method }) => method === 'Info');
    const got: Promise<Got>[] = [];
    const players = infos.map(
      ({ sidecar }) =>
        new Player(
          sidecar,
          vm.calls.filter((call) => call.sidecar === sidecar),
        ),
    );
    /** Starts the next sidecar once the one before was found. */
    const start = async (i: number): Promise<void> => {
      const name = infos[i]?.sidecar;
      const player = players[i];
      if (name === undefined || player === undefined) return;
      const directory = makeHookDirectory(join(hooks, name));
      let isFirst = true;
      await player.listen(join(directory, `${name}.sock`), join(place, `${name}.inner`), (call) => {
        got.push(call);
        if (isFirst) void call.then(() => start(i + 1));
        isFirst = false;
      });
    };
    try {
      await start(0);
      const manager = await startHookManager(hooks, players.length, TIMEOUTS);
      const cloudInit = vm.calls.find(({ method }) => method === 'PreCloudInitIso');
      if (cloudInit !== undefined) await manager.preCloudInitIso(cloudInitDataOf(cloudInit), vm.vmi);
      for (const { domain, answer } of passesOf(vm)) {
        assert.is(await manager.onDefineDomain(domain, vm.vmi), answer);
      }
      if (vm.calls.some(({ method }) => method === 'Shutdown')) await manager.shutdown();

      const made = await Promise.all(got);
      assert.is(made.length, vm.calls.length);
      for (const [i, call] of vm.calls.entries()) {
        const why = `${call.number}-${call.method}`;
        assert.is(made[i]?.sidecar, call.sidecar, why);
        assert.equal(made[i]?.headers.map(timeless), Object.entries(call.headers).map(timeless), why);
        assert.ok(made[i]?.request.equals(call.request), why);
        // For a sidecar that exited at once, the recorder missed the GOAWAY.
        const theirs = comparable(call.frames.client);
        assert.equal(comparable(made[i]?.frames ?? []).slice(0, theirs.length), theirs, why);
      }
    } finally {
      for (const player of players) player.stop();
      rmSync(place, { recursive: true });
    }
  });
}

/** Field 3 of the message, its last. */
function cloudInitDataOf({ request }: RecordedHook): string {
  const text = request.toString();
  return text.slice(text.indexOf('{"DataSource"'));
}

/**
 * Keys of a document in order, including those of array elements. What is below `fieldsV1` only
 * says which program wrote a field.
 */
function keysOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || path.endsWith('.fieldsV1')) return [path];
  return [path, ...Object.entries(value).flatMap(([key, entry]) => keysOf(entry, `${path}.${key}`))];
}

/** Keys that are ids, or that say why a VM cannot migrate. */
const isOwn = (key: string) => /\.(reason|message)$|\.activePods\./.test(key);

for (const vm of recordedVms()) {
  test(`${vm.name}: a VMI has the fields of the recorded one, in its order`, () => {
    const { metadata, spec, status } = JSON.parse(vm.vmi.toString());
    const { devices, ...domain } = spec.domain;
    const { disks: _, ...others } = devices;
    const made = vmiJson({
      metadata: { name: metadata.name, namespace: metadata.namespace },
      domain,
      devices: others,
      networks: spec.networks,
      volumes: spec.volumes ?? [],
      status: { interfaces: status.interfaces },
    });
    const { spec: madeSpec, ...rest } = JSON.parse(made.toString());
    assert.is(JSON.stringify(madeSpec), JSON.stringify(spec));
    const keys = (value: unknown) => keysOf(value).filter((key) => !isOwn(key));
    assert.equal(keys(rest), keys({ metadata, status }));
  });
}

test.run();
