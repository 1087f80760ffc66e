/**
 * The shim's surroundings: callers, agents that follow a script, and fallbacks that report how they
 * were run.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa, type Options } from 'execa';

const DIST = resolve(import.meta.dirname, '../../../dist');
/** The installed build. */
export const INSTALLED = join(DIST, 'cni/tapwire');
/** The build that takes paths and timeouts from the environment. */
export const SHIM = join(DIST, 'test/tapwire');
export const ARM64_SHIM = join(DIST, 'test/arm64/tapwire');

export interface ShimCall {
  /** The program, and the arguments before those of the call. */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Divides all timeouts except the one for an agent's hello. */
  readonly timeScale?: number;
  /**
   * Milliseconds that the shim counts as a second of its timeout for the hello. By default so many
   * that a slow machine does not miss a running agent.
   */
  readonly helloSecond?: number;
  readonly socket?: string;
  readonly fallbackDir?: string;
  readonly options?: Options;
}

export interface ShimAnswer {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

const NOWHERE = '/nonexistent/tapwire';
/** DEL then waits 40 s for a hello, and ADD 200 s. */
export const UNHURRIED = 20_000;

/** Starts a call of the test build, without an agent and a fallback unless the call names them. */
export function startShim(command: string, call: ShimCall = {}) {
  const [program = SHIM, ...args] = call.program ?? [];
  const env = {
    TAPWIRE_AGENT_SOCKET: call.socket ?? NOWHERE,
    TAPWIRE_RUNTIME_DIR: call.fallbackDir ?? NOWHERE,
    TAPWIRE_HASTE: String(call.timeScale ?? 1),
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

export async function withDirectory<T>(act: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-shim-'));
  try {
    return await act(directory);
  } finally {
    rmSync(directory, { recursive: true });
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

/** A reply. The lengths in its header may be wrong. */
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

/** What a scripted agent does with a client. */
export type Script = (caller: Socket, request: Promise<Request>) => Promise<void> | void;

/** Sends a hello, and replies with these bytes. */
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

/**
 * Runs an agent at this path until the returned function is called, which closes its connections.
 */
export async function startAgent(path: string, script: Script): Promise<() => Promise<void>> {
  const callers = new Set<Socket>();
  const server = createServer((caller) => {
    callers.add(caller);
    caller.on('error', () => {}); // Some scripts are about a client that has disconnected.
    void script(caller, listenToRequest(caller));
  });
  await new Promise<void>((listening) => server.listen(path, listening));
  return async () => {
    const closed = new Promise((done) => server.close(done));
    for (const caller of callers) caller.destroy();
    await closed;
  };
}

/** An agent that serves every client by the script. */
export function withAgent<T>(script: Script, act: (socket: string) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const socket = join(directory, 'agent.sock');
    const stop = await startAgent(socket, script);
    try {
      return await act(socket);
    } finally {
      await stop();
    }
  });
}

/** Prints as JSON how it was run. */
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

/** A fallback whose loader is `program`, a script. The default script reports how it was run. */
export function withFallback<T>(act: (fallbackDir: string) => Promise<T>, program = PROBE): Promise<T> {
  return withDirectory(async (directory) => {
    mkdirSync(join(directory, 'lib'));
    writeFileSync(join(directory, 'lib/ld.so'), program);
    for (const name of ['node', 'index.js', 'tapwire.node']) writeFileSync(join(directory, name), '');
    writeFileSync(join(directory, 'package.json'), '{}');
    for (const name of ['.', 'lib', 'lib/ld.so', 'node']) chmodSync(join(directory, name), 0o755);
    return act(directory);
  });
}

/** The kernel's report of the shim's memory in KiB. The shim never frees any. */
export function residentSetOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Rss: +(\d+) kB$/m.exec(rollup)?.[1]);
}
