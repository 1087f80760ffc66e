/** The shim's surroundings: callers, agents that behave in scripted ways, runtimes that say how they were run. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa, type Options } from 'execa';

const DIST = resolve(import.meta.dirname, '../../dist');
/** As it gets installed. */
export const INSTALLED = join(DIST, 'cni/tapwire');
/** The build that takes paths and patience from the environment. */
export const SHIM = join(DIST, 'test/tapwire');
export const ARM64_SHIM = join(DIST, 'test/arm64/tapwire');

export interface ShimCall {
  /** The program and what comes before its arguments. */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Divides all patience but that for an agent's hello. */
  readonly haste?: number;
  /** Milliseconds of each second of that; by default so many that an agent that is there is not missed on a slow machine. */
  readonly helloSecond?: number;
  readonly socket?: string;
  readonly runtime?: string;
  readonly options?: Options;
}

export interface ShimAnswer {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

const NOWHERE = '/nonexistent/tapwire';
/** DEL waits 40 s for a hello then, ADD 200 s. */
export const UNHURRIED = 20_000;

/** Begins a call of the test build: without an agent and a runtime, unless the call names them. */
export function startShim(command: string, call: ShimCall = {}) {
  const [program = SHIM, ...args] = call.program ?? [];
  const env = {
    TAPWIRE_AGENT_SOCKET: call.socket ?? NOWHERE,
    TAPWIRE_RUNTIME_DIR: call.runtime ?? NOWHERE,
    TAPWIRE_HASTE: String(call.haste ?? 1),
    TAPWIRE_HELLO_SECOND: String(call.helloSecond ?? UNHURRIED),
    CNI_COMMAND: command,
    ...call.env,
  };
  const options: Options = {
    ...(call.input === undefined ? { stdin: 'ignore' } : { input: call.input }),
    env,
    extendEnv: false,
    reject: false,
    ...call.options,
  };
  return execa(program, args, options);
}

export async function shim(command: string, call: ShimCall = {}): Promise<ShimAnswer> {
  const started = performance.now();
  const { exitCode, stdout, stderr } = await startShim(command, call);
  return {
    exitCode,
    stdout: String(stdout ?? ''),
    stderr: String(stderr ?? ''),
    ms: performance.now() - started,
  };
}

/** Code and message of a CNI error object. */
export function errorOf({ exitCode, stdout }: ShimAnswer): readonly unknown[] {
  const { code, msg } = JSON.parse(stdout);
  return [exitCode, code, msg];
}

export async function withFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-shim-'));
  try {
    return await act(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const HELLO = 'tapwire1';

export interface Request {
  readonly netnsErrno: number;
  readonly inputErrno: number;
  readonly environment: readonly string[];
  readonly input: Buffer;
}

/** The bytes of a request; null while some are missing. */
export function parseRequest(bytes: Buffer): Request | null {
  if (bytes.length < 16) return null;
  const [environment = 0, input = 0, netnsErrno = 0, inputErrno = 0] = [0, 4, 8, 12].map((at) =>
    bytes.readUInt32LE(at),
  );
  if (bytes.length < 16 + environment + input) return null;
  const variables = bytes
    .toString('utf8', 16, 16 + environment)
    .split('\0')
    .slice(0, -1);
  return { netnsErrno, inputErrno, environment: variables, input: bytes.subarray(16 + environment) };
}

/** A reply, in whose header lengths may be wrong. */
export function reply(
  out = '',
  status = 0,
  err = '',
  lengths: readonly [number, number] = [out.length, err.length],
): Buffer {
  const header = Buffer.alloc(12);
  for (const [i, number] of [status, ...lengths].entries()) header.writeUInt32LE(number, 4 * i);
  return Buffer.concat([header, Buffer.from(out + err)]);
}

/** What a scripted agent does with a caller. */
export type Script = (caller: Socket, request: Promise<Request>) => Promise<void> | void;

/** Says hello, and answers with these bytes. */
export const answering =
  (bytes: Buffer): Script =>
  async (caller, request) => {
    caller.write(HELLO);
    await request;
    caller.end(bytes);
  };

function listenToRequest(caller: Socket): Promise<Request> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    caller.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      const request = parseRequest(Buffer.concat(chunks));
      if (request !== null) resolve(request);
    });
  });
}

/** Runs an agent at that path until the function it resolves to is called; connections end with it. */
export async function startAgent(path: string, script: Script): Promise<() => Promise<void>> {
  const callers = new Set<Socket>();
  const server = createServer((caller) => {
    callers.add(caller);
    caller.on('error', () => {}); // a caller that is gone is what some scripts are about
    void script(caller, listenToRequest(caller));
  });
  await new Promise<void>((listening) => server.listen(path, listening));
  return async () => {
    const closed = new Promise((done) => server.close(done));
    for (const caller of callers) caller.destroy();
    await closed;
  };
}

/** An agent that serves every caller by the script. */
export function withAgent<T>(script: Script, act: (socket: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const socket = join(folder, 'agent.sock');
    const stop = await startAgent(socket, script);
    try {
      return await act(socket);
    } finally {
      await stop();
    }
  });
}

/** Says in JSON how it was run. */
const PROBE = `#!${process.execPath}
const { readdirSync, readFileSync, readlinkSync } = require('node:fs');
const links = readdirSync('/proc/self/fd').flatMap((fd) => {
  try { return fd > 2 ? readlinkSync('/proc/self/fd/' + fd) : []; } catch { return []; }
});
const args = readFileSync('/proc/self/cmdline', 'utf8').split('\\0').slice(2, -1);
const { env } = process;
const input = env.CNI_COMMAND === 'VERSION' ? null : readFileSync(0, 'latin1');
console.log(JSON.stringify({ fallback: true, args, env, cwd: process.cwd(), input, links }));
`;

/** A runtime whose loader is `program`, a script; by default one that says how it was run. */
export function withRuntime<T>(act: (runtime: string) => Promise<T>, program = PROBE): Promise<T> {
  return withFolder(async (folder) => {
    mkdirSync(join(folder, 'lib'));
    writeFileSync(join(folder, 'lib/ld.so'), program);
    for (const name of ['node', 'index.js', 'tapwire.node']) writeFileSync(join(folder, name), '');
    writeFileSync(join(folder, 'package.json'), '{}');
    for (const name of ['.', 'lib', 'lib/ld.so', 'node']) chmodSync(join(folder, name), 0o755);
    return act(folder);
  });
}

/** What the kernel says of its memory; the shim never gives any back. KiB. */
export function residentSetOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Rss: +(\d+) kB$/m.exec(rollup)?.[1]);
}
