/**
 * Small resource limits (setrlimit(2)): each call ends with CNI's JSON, with an agent and without.
 */
import { readdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HANG } from '../helpers/hang.ts';
import { environmentOf, netconf } from '../helpers/plugin/cni.ts';
import {
  answering,
  errorOf,
  INSTALLED,
  reply,
  SHIM,
  type ShimAnswer,
  type ShimCall,
  shim,
  withAgent,
  withDirectory,
  withFallback,
} from '../helpers/plugin/shim.ts';
import { withNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('the shim under small limits');

/**
 * Limits under which Node alone ends by a signal or hangs: the options of prlimit(1), and the least
 * value with which Node starts.
 */
const TOO_LOW = [
  ['--nofile=5', 'RLIMIT_NOFILE', '22'],
  ['--nofile=8', 'RLIMIT_NOFILE', '22'],
  ['--nofile=11', 'RLIMIT_NOFILE', '22'],
  ['--nofile=20', 'RLIMIT_NOFILE', '22'],
  ['--as=67108864', 'RLIMIT_AS', '1175 MiB'],
  ['--as=1000000000', 'RLIMIT_AS', '1175 MiB'],
  ['--data=33554432', 'RLIMIT_DATA', '600 MiB'],
  ['--data=200000000', 'RLIMIT_DATA', '600 MiB'],
  ['--stack=32768', 'RLIMIT_STACK', '96 KiB'],
  ['--stack=65536', 'RLIMIT_STACK', '96 KiB'],
] as const;

/** All limits that the fallback raises. */
const LOW = [...TOO_LOW.map(([option]) => option), '--fsize=0', '--cpu=1'];

const under = (option: string): readonly string[] => ['/usr/bin/prlimit', option, SHIM];
const OPTIONS = { timeout: HANG } as const;

/** The installed fallback with a turn of its own. */
const withTurn = <T>(act: (fallbackDir: string) => Promise<T>): Promise<T> =>
  withDirectory((directory) => {
    const fallback = join(dirname(INSTALLED), '.tapwire');
    for (const name of readdirSync(fallback)) {
      symlinkSync(realpathSync(join(fallback, name)), join(directory, name));
    }
    return act(directory);
  });

const attachment = (path: string): Required<Pick<ShimCall, 'env' | 'input'>> => ({
  env: environmentOf('ADD', { netns: path, network: 'default' }),
  input: JSON.stringify(netconf({ network: 'default' })),
});

const statusOf = ({ exitCode, stdout, stderr }: ShimAnswer, what: string): void => {
  assert.is(exitCode, 0, `${what}: ${stdout} ${stderr}`);
  JSON.parse(stdout);
};

test('the fallback raises soft limits that are too low, and the call succeeds', () =>
  withTurn((fallbackDir) =>
    withPod('eth0', async ({ path }) => {
      const call = { fallbackDir, options: OPTIONS, ...attachment(path) };
      for (const option of LOW) {
        statusOf(await shim('ADD', { ...call, program: under(`${option}:`) }), option);
      }
    }),
  ));

/** Without the capability to raise hard limits. */
const WITHOUT_RIGHT = ['/usr/bin/setpriv', '--bounding-set=-sys_resource'];

test('the fallback names a hard limit under which Node cannot start and that it may not raise', () =>
  withTurn(async (fallbackDir) => {
    for (const [option, name, least] of TOO_LOW) {
      const program = [...WITHOUT_RIGHT, ...under(`${option}:${option.split('=')[1]}`)];
      const answer = await shim('GC', { fallbackDir, program, input: '{}', options: OPTIONS });
      const msg = `Cannot run GC without the agent: ${name} is below ${least}, and this process may not raise it`;
      assert.equal(errorOf(answer), [1, 5, msg], option);
      assert.match(
        JSON.parse(answer.stdout).details,
        /^Node\.js cannot start .*; raise it for the container/,
      );
    }
  }));

test('the fallback runs under a hard limit with which Node starts', () =>
  withTurn(async (fallbackDir) => {
    for (const option of ['--nofile=8:64', '--as=1600000000', '--stack=32768:1048576', '--data=1000000000']) {
      const program = [...WITHOUT_RIGHT, ...under(option)];
      statusOf(await shim('VERSION', { fallbackDir, program, options: OPTIONS }), option);
    }
  }));

for (const [option, title, want] of [
  ['--nofile=8:4096', 'Max open files', '1024 4096'],
  ['--nofile=8:64', 'Max open files', '64 64'],
  ['--nofile=2048:4096', 'Max open files', '2048 4096'],
  ['--stack=32768:67108864', 'Max stack size', '8388608 67108864'],
  ['--fsize=0:0', 'Max file size', '0 0'],
] as const) {
  test(`the fallback under prlimit ${option} runs under: ${want}`, () =>
    withFallback(async (fallbackDir) => {
      const program = [...WITHOUT_RIGHT, ...under(option)];
      const { stdout } = await shim('VERSION', { fallbackDir, program });
      const line = stdout.split('\n').find((text) => text.startsWith(title));
      assert.is(line?.slice(title.length).trim().split(/ +/).slice(0, 2).join(' '), want);
    }, '#!/bin/sh\ncat /proc/self/limits\n'));
}

test('the shim replies with JSON if it runs without Node', () =>
  withNetns(({ path }) =>
    withAgent(answering(reply('{}')), async (socket) => {
      for (const option of [...LOW, '--nofile=1', '--nofile=3', '--nofile=4']) {
        for (const agent of [socket, '/nonexistent/tapwire']) {
          const call = { socket: agent, options: OPTIONS, ...attachment(path) };
          const { exitCode, stdout } = await shim('ADD', { ...call, program: under(option) });
          assert.ok(exitCode === 0 || exitCode === 1, `${option}: ${exitCode}`);
          assert.is('code' in JSON.parse(stdout), exitCode === 1, `${option}: ${stdout}`);
        }
      }
    }),
  ));

test.run();
