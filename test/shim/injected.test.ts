/**
 * Kernel requests that fail or are interrupted, injected by strace because nothing else can provoke
 * them.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  answering,
  errorOf,
  reply,
  SHIM,
  type ShimCall,
  shim,
  withAgent,
  withFallback,
} from '../helpers/plugin/shim.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('the shim when the kernel fails');

const CONF = '{"cniVersion":"1.0.0","name":"n","type":"tapwire"}';
const OK = answering(reply('{}'));

/** Runs the shim with an injected failure, written as strace has it: `read:error=EINTR:when=1`. */
const failing = (injection: string, call: ShimCall & { readonly command?: string }) => {
  const program = ['/usr/bin/strace', '-o', '/dev/null', '-e', `inject=${injection}`, SHIM];
  return shim(call.command ?? 'GC', { input: CONF, ...call, program });
};

for (const injection of [
  'read:error=EINTR:when=1+2',
  'read:error=EAGAIN:when=1+2',
  'ppoll:error=EINTR:when=1+2',
  'connect:error=EAGAIN:when=1..3',
  'connect:error=EINTR:when=1',
  'sendmsg:error=EINTR:when=1',
  'sendmsg:error=EAGAIN:when=1..3',
  'sendmsg:error=EPIPE:when=1',
  'sendmsg:error=ECONNRESET:when=1..2',
  'flock:error=EINTR:when=1..2',
  'write:error=EINTR:when=1',
  'write:error=EAGAIN:when=1..2',
  'close_range:error=ENOSYS',
  'rt_sigaction:error=EINVAL',
]) {
  test(`the call succeeds with ${injection}`, () =>
    withNetns(({ path }) =>
      withAgent(OK, async (socket) => {
        const { exitCode, stdout, stderr } = await failing(injection, {
          command: 'ADD',
          socket,
          env: { CNI_NETNS: path },
        });
        assert.equal([exitCode, stdout, stderr], [0, '{}', '']);
      }),
    ));
}

test('without close_range other descriptors of the caller do not reach Node', () =>
  withFallback(async (fallbackDir) => {
    const program = [
      '/bin/sh',
      '-c',
      `exec strace -o /dev/null -e inject=close_range:error=ENOSYS ${SHIM} 7< /etc/passwd`,
    ];
    const { stdout } = await shim('GC', { input: CONF, fallbackDir, program, env: { PATH: '/usr/bin' } });
    const { links } = JSON.parse(stdout);
    assert.not.ok(links.includes('/etc/passwd'));
  }));

for (const [injection, code, msg] of [
  ['flock:error=ENOLCK', 5, "Cannot lock the pod's netns: No locks available"],
  ['read:error=EIO', 5, 'error reading from stdin: Input/output error'],
  ['openat:error=EMFILE:when=1', 5, 'Cannot open "/proc/self/ns/net": Too many open files'],
  ['memfd_create:error=ENOSYS', 5, 'Cannot keep the network configuration: Function not implemented'],
  ['lseek:error=EUCLEAN', 5, 'Cannot keep the network configuration: errno 117'],
] as const) {
  test(`the shim reports ${injection} as: ${msg}`, () =>
    withNetns(({ path }) =>
      withFallback(async (fallbackDir) => {
        const answer = await failing(injection, { command: 'ADD', fallbackDir, env: { CNI_NETNS: path } });
        assert.equal(errorOf(answer), [1, code, msg]);
      }),
    ));
}

for (const [injection, name, why] of [
  ['fchdir:error=EACCES', '', 'Permission denied'],
  ['flock:error=ENOLCK', '', 'No locks available'],
  ['newfstatat:error=EIO:when=3', '/lib/ld.so', 'Input/output error'],
  ['getdents64:error=EIO:when=1', '', 'Input/output error'],
] as const) {
  test(`the shim reports that ${injection} prevents the fallback`, () =>
    withFallback(async (fallbackDir) => {
      const answer = await failing(injection, { fallbackDir });
      assert.equal(errorOf(answer), [1, 5, `Cannot run "${fallbackDir}${name}": ${why}`]);
    }));
}

test('an executable whose path is unknown is reported', async () => {
  const answer = await failing('readlinkat:error=EACCES', { fallbackDir: '' });
  assert.equal(errorOf(answer), [1, 5, 'Cannot read "/proc/self/exe": Permission denied']);
});

test('a failing socket() makes the shim warn and fall back', () =>
  withFallback(async (fallbackDir) => {
    const { stdout, stderr } = await failing('socket:error=EMFILE', { fallbackDir, socket: '/x' });
    assert.is(JSON.parse(stdout).fallback, true);
    const message = 'Cannot reach the agent at "/x": Too many open files; running GC without it';
    assert.equal(JSON.parse(stderr), { level: 'warn', message });
  }));

test('an agent that always closes after its hello has got nothing, and the shim falls back after the timeout', () =>
  withAgent(OK, (socket) =>
    withFallback(async (fallbackDir) => {
      const { stdout, stderr } = await failing('sendmsg:error=EPIPE', {
        fallbackDir,
        socket,
        helloSecond: 100,
      });
      assert.is(JSON.parse(stdout).fallback, true);
      assert.match(
        JSON.parse(stderr).message,
        /^No agent at ".*" answered within 2 s; running GC without it$/,
      );
    }),
  ));

test('a connection that breaks when half of the request is sent counts as lost', () =>
  withAgent(OK, (socket) =>
    withFallback(async (fallbackDir) => {
      const input = 'x'.repeat(1024 * 1024); // needs more than one sendmsg(2)
      const call = { command: 'ADD', fallbackDir, socket, input, timeScale: 20 };
      const { stderr } = await failing('sendmsg:error=EPIPE:when=2+', call);
      assert.match(
        JSON.parse(stderr).message,
        /^The agent accepted ADD but has been silent for 30 s; completing it/,
      );
    }),
  ));

test.run();
