/** Programs whose stderr is a full pipe that nobody reads: they print their result and end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { native } from '../../shared/native/native.ts';
import { AGENT, NODE } from '../helpers/agent/agent.ts';
import { within } from '../helpers/agent/agent-node.ts';
import { environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { answering, INSTALLED, reply, SHIM, withAgent, withDirectory } from '../helpers/plugin/shim.ts';
import { withNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('a full stderr');

const FALLBACK = join(INSTALLED, '../.tapwire');
const ONE_SHOT = join(INSTALLED, '../index.js');

/** A pipe without room, open for reading and writing. */
async function withFullPipe<T>(act: (fd: number) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const path = join(directory, 'fifo');
    await execa('mkfifo', [path]);
    const fd = openSync(path, constants.O_RDWR);
    try {
      const filling = Buffer.alloc(1024 * 1024);
      assert.ok(native.write(fd, filling, 0, 0) > 0);
      assert.is(native.write(fd, filling, 0, 10), 0);
      return await act(fd);
    } finally {
      closeSync(fd);
    }
  });
}

/** Runs a program whose stderr is the descriptor. */
async function run(
  fd: number,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input = '',
) {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', fd] });
  child.stdin?.on('error', () => {}).end(input);
  const ended = once(child, 'close');
  const stdout = child.stdout === null ? '' : await within(program, text(child.stdout));
  await within(program, ended);
  return { exitCode: child.exitCode, stdout };
}

test('native.write() writes what fits without blocking, and nothing more', () =>
  withFullPipe(async (fd) => {
    const bytes = Buffer.alloc(10_000, 'x');
    assert.is(native.write(fd, bytes, 0, 0), 0);
    assert.is(readSync(fd, Buffer.alloc(4096)), 4096);
    assert.is(native.write(fd, bytes, 9_990, 0), 10, 'the rest of the buffer');
    assert.is(readSync(fd, Buffer.alloc(60_000)), 60_000);
    const written = native.write(fd, bytes, 0, 0);
    assert.is(written, 10_000);
  }));

test('native.write() fails if a pipe has no reader', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'fifo');
    await execa('mkfifo', [path]);
    const both = openSync(path, constants.O_RDWR);
    const writer = openSync(path, constants.O_WRONLY);
    closeSync(both);
    assert.throws(() => native.write(writer, Buffer.from('x'), 0, 0), /write/);
    closeSync(writer);
  }));

const call = (netns: string) => ({ netns, network: 'default', conf: { unknownKey: 1 } });
const envOf = (command: string, netns: string) => environmentOf(command, call(netns));
const inputOf = (netns: string) => JSON.stringify(netconf(call(netns)));

test('the one-shot wires and unwires a pod, and prints its results', () =>
  withFullPipe((fd) =>
    withPod('eth0', async ({ path }) => {
      for (const command of ['ADD', 'DEL']) {
        const { exitCode, stdout } = await run(fd, NODE, [ONE_SHOT], envOf(command, path), inputOf(path));
        assert.is(exitCode, 0, `${command}: ${stdout}`);
      }
    }),
  ));

test('the one-shot prints an error', () =>
  withFullPipe((fd) =>
    withNetns(async ({ path }) => {
      const { exitCode, stdout } = await run(fd, NODE, [ONE_SHOT], envOf('ADD', path), inputOf(path));
      assert.is(exitCode, 1);
      assert.match(JSON.parse(stdout).msg, 'Cannot wire');
    }),
  ));

test('the plugin falls back without an agent', () =>
  withFullPipe((fd) =>
    withPod('eth0', async ({ path }) => {
      const where = { TAPWIRE_AGENT_SOCKET: '/nonexistent/s', TAPWIRE_RUNTIME_DIR: FALLBACK };
      for (const command of ['ADD', 'DEL']) {
        const env = { ...envOf(command, path), ...where };
        const { exitCode, stdout } = await run(fd, SHIM, [], env, inputOf(path));
        assert.is(exitCode, 0, `${command}: ${stdout}`);
      }
    }),
  ));

test('the plugin prints the result of an agent that has much to log', () =>
  withFullPipe((fd) =>
    withAgent(answering(reply('{}', 0, 'x'.repeat(1_000_000))), async (socket) => {
      const env = { TAPWIRE_AGENT_SOCKET: socket, CNI_COMMAND: 'VERSION' };
      const { exitCode, stdout } = await run(fd, SHIM, [], env);
      assert.equal([exitCode, stdout], [0, '{}']);
    }),
  ));

test('the agent ends after a failure', () =>
  withFullPipe(async (fd) => {
    const args = ['--socket', '/dev/null', '--health', '127.0.0.1:0'];
    const { exitCode } = await run(fd, NODE, [AGENT, ...args], {});
    assert.is(exitCode, 1);
  }));

test.run();
