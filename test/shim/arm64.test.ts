/**
 * The arm64 shim under QEMU's user-mode emulation: the same sources, another way to call the
 * kernel. QEMU does not implement the request that tells a netns from other files (NS_GET_NSTYPE),
 * so that the shim takes no lock here. `descriptors.test.ts` tests the rest.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withReceiver } from '../helpers/plugin/receiver.ts';
import {
  ARM64_SHIM,
  answering,
  errorOf,
  reply,
  shim,
  withAgent,
  withFallback,
} from '../helpers/plugin/shim.ts';

const test = suite('the arm64 shim');

const CONF = '{"cniVersion":"0.4.0","name":"n","type":"tapwire"}';
const PATH = process.env['PATH'] ?? '';
const ARM64 = { program: ['qemu-aarch64-static', ARM64_SHIM], input: CONF };

test("the shim prints the agent's reply", () =>
  withAgent(answering(reply('{"code":7}', 1, 'log')), async (socket) => {
    const { exitCode, stdout, stderr } = await shim('GC', { ...ARM64, socket, env: { PATH } });
    assert.equal([exitCode, stdout, stderr], [1, '{"code":7}', 'log']);
  }));

test('the shim reports that it lost the agent', () =>
  withReceiver('hold', ({ socket, received }) =>
    withFallback(async (fallbackDir) => {
      const { stdout, stderr } = await shim('ADD', {
        ...ARM64,
        socket,
        fallbackDir,
        env: { PATH },
        timeScale: 20,
      });
      assert.is(JSON.parse(stdout).fallback, true);
      assert.match(JSON.parse(stderr).message, /^The agent accepted ADD but has been silent for 30 s;/);
      assert.is((await received()).request.input.toString(), CONF);
    }),
  ));

test('the shim falls back', () =>
  withFallback(async (fallbackDir) => {
    const { stdout, stderr } = await shim('ADD', { ...ARM64, fallbackDir, env: { PATH } });
    const { fallback, input, cwd } = JSON.parse(stdout);
    assert.equal([fallback, input, cwd, stderr], [true, CONF, fallbackDir, '']);
  }));

test('the real one-shot answers VERSION', async () => {
  const fallbackDir = `${import.meta.dirname}/../../dist/cni/.tapwire`;
  const { stdout } = await shim('VERSION', { ...ARM64, fallbackDir, env: { PATH } });
  assert.is(JSON.parse(stdout).cniVersion, '1.1.0');
});

test('the shim returns an error if there is no fallback', async () => {
  const answer = await shim('ADD', { ...ARM64, env: { PATH } });
  assert.equal(errorOf(answer).slice(0, 2), [1, 11]);
  assert.is(JSON.parse(answer.stdout).cniVersion, '0.4.0');
});

test('mktap creates a tap and parses its arguments strictly', async () => {
  const mktap = (...args: readonly string[]) => {
    const script = 'exec 4<>/dev/net/tun; exec "$@"';
    const command = ['sh', 'qemu-aarch64-static', ARM64_SHIM, 'mktap', ...args];
    return execa('unshare', ['--net', 'sh', '-c', script, ...command], { reject: false });
  };
  const made = await mktap('4', 'tap0', 'multi-queue', '107', '-1');
  assert.equal([made.exitCode, made.stderr], [0, '']);
  assert.is(
    (await mktap('4', 'lo', 'single-queue', '-1', '-1')).stderr,
    'TUNSETIFF: Device or resource busy',
  );
  assert.is((await mktap('4', 'tap%d', 'single-queue', '-1', '-1')).exitCode, 22);
});

test.run();
