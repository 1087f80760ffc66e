import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { answer } from '../../../cni/answer.ts';
import type { CallContext } from '../../../cni/host.ts';
import { openKernel } from '../../../cni/kernel/kernel.ts';
import { DEFAULT_POLICY } from '../../../cni/policy/node-policy.ts';
import { SUPPORTED_VERSIONS } from '../../../cni/request/version.ts';
import { BindingError } from '../../../shared/errors.ts';

const test = suite('answer()');

/** A node whose netns no longer exists. */
const CONTEXT: CallContext = {
  openNetns: () => null,
  openKernel,
  lockTimeout: 0,
  readNodePolicy: () => DEFAULT_POLICY,
  devicesOf: async () => [],
  deviceDirectory: '/nonexistent',
};
const ENV = {
  CNI_CONTAINERID: 'pod1',
  CNI_NETNS: '/run/netns/none',
  CNI_IFNAME: 'net1',
  CNI_PATH: '/opt/cni/bin',
};

const ask = (command: string, conf: unknown, context: CallContext = CONTEXT) =>
  answer({ ...ENV, CNI_COMMAND: command }, () => Buffer.from(JSON.stringify(conf)), context);
const BINDING = { cniVersion: '1.1.0', name: 'x', args: { cni: { logicNetworkName: 'default' } } };

test('VERSION returns a result and does not read stdin', async () => {
  const unread = () => assert.unreachable('answer() reads stdin') as never;
  const stdout = `${JSON.stringify({ cniVersion: '1.1.0', supportedVersions: SUPPORTED_VERSIONS })}\n`;
  const want = { command: 'VERSION', code: 0, stdout, log: [] };
  assert.equal(await answer({ CNI_COMMAND: 'VERSION' }, unread, CONTEXT), want);
});

test('success without a result prints nothing', async () => {
  for (const command of ['DEL', 'GC'])
    assert.equal(await ask(command, BINDING), { command, code: 0, stdout: '', log: [] });
});

test('a failure is one line on stdout, in the version of the configuration, and one line in the log', async () => {
  const message = 'Cannot open netns "/run/netns/none": there is no network namespace';
  assert.equal(await ask('ADD', BINDING), {
    command: 'ADD',
    code: 8,
    stdout: `${JSON.stringify({ cniVersion: '1.1.0', code: 8, msg: message })}\n`,
    log: [
      {
        level: 'error',
        message,
        fields: { command: 'ADD', container: 'pod1', ifname: 'net1', code: 8, details: undefined },
      },
    ],
  });
});

test('unknown keys are reported before the outcome of the call', async () => {
  const { log } = await ask('ADD', { ...BINDING, mut: 1 });
  assert.equal(log[0], {
    level: 'warn',
    message: 'Ignored unknown keys of network "x"',
    fields: { keys: ['mut'] },
  });
  assert.is(log.length, 2);
});

for (const [why, stdin, version] of [
  ['invalid JSON with a version that can be found', '{"cniVersion": "0.4.0", ', '0.4.0'],
  ['an unsupported version', '{"cniVersion": "9.9.9", ', '1.0.0'],
  ['nothing', '', '1.0.0'],
] as const) {
  test(`the error for stdin of ${why} has version ${version}`, async () => {
    const { stdout } = await answer({ ...ENV, CNI_COMMAND: 'ADD' }, () => Buffer.from(stdin), CONTEXT);
    const { cniVersion, code } = JSON.parse(stdout);
    assert.equal([cniVersion, code], [version, 6]);
  });
}

test('stdin that cannot be read, and a netns that cannot be opened, give an error result', async () => {
  const failing = () => {
    throw new BindingError('IO_FAILURE', 'error reading from stdin: EISDIR');
  };
  const unread = await answer({ ...ENV, CNI_COMMAND: 'ADD' }, failing, CONTEXT);
  assert.equal([unread.code, JSON.parse(unread.stdout).msg], [5, 'error reading from stdin: EISDIR']);

  const openNetns = () => {
    throw new BindingError('INVALID_NETNS', 'Cannot open netns', { details: 'why' });
  };
  const unopened = await ask('DEL', BINDING, { ...CONTEXT, openNetns });
  const { code, details } = JSON.parse(unopened.stdout);
  assert.equal([code, details], [8, 'why']);
});

test('a bug gives code 999 with its place in the code', async () => {
  const readNodePolicy = () => {
    throw new TypeError('oops');
  };
  const { code, stdout } = await ask('ADD', BINDING, { ...CONTEXT, readNodePolicy });
  assert.is(code, 999);
  assert.match(JSON.parse(stdout).details, /TypeError: oops\n\s+at /);
});

test.run();
