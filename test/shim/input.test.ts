/**
 * What the container runtime passes to the shim: stdin, stdout, stderr, descriptors, and the
 * cniVersion for errors.
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_VERSION, SUPPORTED_VERSIONS } from '../../cni/request/version.ts';
import {
  answering,
  errorOf,
  HELLO,
  type Request,
  reply,
  type Script,
  SHIM,
  shim,
  startShim,
  withAgent,
  withDirectory,
  withFallback,
} from '../helpers/plugin/shim.ts';

const test = suite('the shim and its caller');

const CONF = '{"cniVersion":"1.0.0","name":"n","type":"tapwire"}';
const MIB = 1024 * 1024;
/** execa accepts any descriptor, but its types list only these. */
type LowNumber = 3 | 4 | 5;
const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

/** An agent that reports the request it received. */
async function asked(act: (socket: string) => Promise<unknown>): Promise<Request> {
  let seen: Request | undefined;
  const script: Script = async (caller, request) => {
    caller.write(HELLO);
    seen = await request;
    caller.end(reply('{}'));
  };
  await withAgent(script, act);
  if (seen === undefined) throw new Error('nobody asked the agent');
  return seen;
}

/** Runs the shim through a shell, which can redirect what execa cannot. */
const byShell = (redirections: string, env: Readonly<Record<string, string>>, input = CONF) =>
  execa('sh', ['-c', `exec ${SHIM} ${redirections}`], { input, env, extendEnv: false, reject: false });

const environment = (command: string, socket: string, fallbackDir = '/nonexistent') => ({
  CNI_COMMAND: command,
  TAPWIRE_AGENT_SOCKET: socket,
  TAPWIRE_RUNTIME_DIR: fallbackDir,
});

function withFifo<T>(act: (path: string) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const path = join(directory, 'fifo');
    await execa('mkfifo', [path]);
    return act(path);
  });
}

/** Number of bytes available to read. */
function readSome(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

test('stdin in pieces is read whole', async () => {
  const { input } = await asked(async (socket) => {
    const calling = startShim('GC', { socket, options: { stdin: 'pipe' } });
    for (const piece of CONF) {
      calling.stdin?.write(piece);
      await sleep(2);
    }
    calling.stdin?.end();
    assert.is((await calling).stdout, '{}');
  });
  assert.is(input.toString(), CONF);
});

test('stdin that does not block is read whole', () =>
  withFifo(async (fifo) => {
    const { input } = await asked(async (socket) => {
      const writer = openSync(fifo, O_RDWR | O_NONBLOCK);
      const reader = openSync(fifo, O_RDONLY | O_NONBLOCK);
      const calling = startShim('GC', { socket, options: { stdin: reader as LowNumber } });
      await sleep(50);
      writeSync(writer, CONF);
      await sleep(50);
      closeSync(writer);
      assert.is((await calling).stdout, '{}');
      closeSync(reader);
    });
    assert.is(input.toString(), CONF);
  }));

test('stdin that never ends gives an error in bounded time, in its own version', async () => {
  const calling = startShim('GC', { timeScale: 30, options: { stdin: 'pipe' } });
  calling.stdin?.write('{"cniVersion":"0.4.0","name":');
  const { exitCode, stdout } = await calling;
  assert.equal(
    [exitCode, JSON.parse(String(stdout))],
    [1, { cniVersion: '0.4.0', code: 5, msg: 'error reading from stdin: no end within 30 s' }],
  );
});

test('too much stdin is cut after the byte that proves it too long', async () => {
  for (const size of [MIB, MIB + 1, MIB + 100_000]) {
    const { input } = await asked((socket) => shim('GC', { socket, input: Buffer.alloc(size, 'x') }));
    assert.is(input.length, Math.min(size, MIB + 1));
  }
});

for (const [what, redirection, number, text] of [
  ['closed', '<&-', 9, 'Bad file descriptor'],
  ['a directory', '< /', 21, 'Is a directory'],
] as const) {
  test(`the agent learns that stdin is ${what}, and without an agent the error says so`, async () => {
    const { inputErrno, input } = await asked((socket) => byShell(redirection, environment('GC', socket)));
    assert.equal([inputErrno, input.length], [number, 0]);

    await withFallback(async (fallbackDir) => {
      const { exitCode, stdout } = await byShell(redirection, environment('GC', '/nonexistent', fallbackDir));
      const msg = `error reading from stdin: ${text}`;
      assert.equal([exitCode, JSON.parse(stdout)], [1, { cniVersion: '1.0.0', code: 5, msg }]);
    });
  });
}

for (const [what, redirection, errno] of [
  ['full', '> /dev/full', 'ENOSPC: No space left on device'],
  ['closed', '>&-', 'EBADF: Bad file descriptor'],
] as const) {
  test(`stdout that is ${what} gives a line on stderr and a nonzero exit status, and the result goes nowhere else`, () =>
    withAgent(answering(reply('{"secret":1}')), async (socket) => {
      const { exitCode, stderr } = await byShell(redirection, environment('GC', socket));
      assert.is(exitCode, 1);
      assert.equal(JSON.parse(stderr), { level: 'error', message: `Cannot write the result: ${errno}` });
    }));
}

test('a caller that closes its end of stdout gets a nonzero exit status', () =>
  withAgent(answering(reply('x'.repeat(MIB))), async (socket) => {
    const calling = startShim('GC', { socket, input: CONF });
    calling.stdout?.destroy();
    const { exitCode, stderr } = await calling;
    assert.is(exitCode, 1);
    assert.match(JSON.parse(String(stderr)).message, /^Cannot write the result: E(PIPE|CONNRESET): /);
  }));

test('stderr that is closed or full does not turn a result into a failure', async () => {
  for (const redirection of ['2>&-', '2> /dev/full']) {
    await withAgent(answering(reply('{}', 0, 'log')), async (socket) => {
      const { exitCode, stdout } = await byShell(redirection, environment('GC', socket));
      assert.equal([exitCode, stdout], [0, '{}']);
    });
  }
});

test('a reply waits for a caller that reads slowly from a pipe that does not block', () =>
  withFifo((fifo) =>
    withAgent(answering(reply('x'.repeat(MIB))), async (socket) => {
      const reader = openSync(fifo, O_RDONLY | O_NONBLOCK);
      const writer = openSync(fifo, O_WRONLY | O_NONBLOCK);
      const calling = startShim('GC', { socket, input: CONF, options: { stdout: writer as LowNumber } });
      closeSync(writer);
      let length = 0;
      const buffer = Buffer.alloc(100_000);
      const ended = calling.then(({ exitCode }) => exitCode);
      while (length < MIB) {
        await sleep(5);
        length += readSome(reader, buffer);
      }
      assert.equal([length, await ended], [MIB, 0]);
      closeSync(reader);
    }),
  ));

test('other descriptors of the caller do not reach the agent or Node', () =>
  withFallback(async (fallbackDir) => {
    const { stdout } = await byShell(
      '7< /etc/hostname 3< /etc/passwd',
      environment('GC', '/nonexistent', fallbackDir),
    );
    const strays = JSON.parse(stdout).links.filter((link: string) =>
      /hostname|passwd|socket|net:/.test(link),
    );
    assert.equal(strays, []);
  }));

for (const [configuration, want] of [
  ...SUPPORTED_VERSIONS.map((version) => [`{"cniVersion":"${version}"}`, version] as const),
  ['{"name":"n", "CNIVersion" :\n\t"0.4.0", "cniVersion":"1.1.0"}', '0.4.0'],
  ['{"cniVersion":"0.4', DEFAULT_VERSION],
  ['{"cniVersion":"0.4.0', DEFAULT_VERSION],
  ['{"cniVersion":"0.4.0"', '0.4.0'],
  ['{"cniVersion":"9.9.9"}', DEFAULT_VERSION],
  ['{"cniVersion":"0.3"}', DEFAULT_VERSION],
  ['{"cniVersion":"3.0"}', DEFAULT_VERSION],
  ['{"cniVersion":4}', DEFAULT_VERSION],
  ['{"cniVersion":""}', DEFAULT_VERSION],
  [`{"cniVersion":"${'1'.repeat(100)}"}`, DEFAULT_VERSION],
  ['{"xcniVersion":"0.4.0"}', DEFAULT_VERSION],
  ['', DEFAULT_VERSION],
  ['\0\xff"cniVersion', DEFAULT_VERSION],
] as const) {
  test(`the error has version ${want} for the input ${JSON.stringify(configuration).slice(0, 60)}`, async () => {
    assert.is(JSON.parse((await shim('GC', { input: configuration })).stdout).cniVersion, want);
  });
}

test('an error is JSON for any text of the command', async () => {
  const command = `"\\\n\x01${'x'.repeat(100_000)}`;
  const answer = await shim(command, { input: CONF });
  const [exitCode, code, msg] = errorOf(answer);
  assert.equal([exitCode, code], [1, 11]);
  assert.ok(String(msg).startsWith(`Cannot run ${command.slice(0, 1000)}`));
});

test.run();
