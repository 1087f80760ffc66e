/** Requests that the kernel refuses or interrupts, by strace's injection: what cannot be brought about otherwise. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withNetns } from '../helpers/netns.ts';
import {
  answering,
  errorOf,
  reply,
  SHIM,
  type ShimCall,
  shim,
  withAgent,
  withRuntime,
} from '../helpers/shim.ts';

const test = suite('the shim where the kernel refuses');

const CONF = '{"cniVersion":"1.0.0","name":"n","type":"tapwire"}';
const OK = answering(reply('{}'));

/** Calls it with a failure injected, in strace's words: `read:error=EINTR:when=1`. */
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
  test(`${injection}: the call succeeds`, () =>
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

test('no close_range: other descriptors of the caller do not reach Node', () =>
  withRuntime(async (runtime) => {
    const program = [
      '/bin/sh',
      '-c',
      `exec strace -o /dev/null -e inject=close_range:error=ENOSYS ${SHIM} 7< /etc/passwd`,
    ];
    const { stdout } = await shim('GC', { input: CONF, runtime, program, env: { PATH: '/usr/bin' } });
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
  test(`${injection}: ${msg}`, () =>
    withNetns(({ path }) =>
      withRuntime(async (runtime) => {
        const answer = await failing(injection, { command: 'ADD', runtime, env: { CNI_NETNS: path } });
        assert.equal(errorOf(answer), [1, code, msg]);
      }),
    ));
}

for (const [injection, name, why] of [
  ['fchdir:error=EACCES', '', 'Permission denied'],
  ['flock:error=ENOLCK', '', 'No locks available'],
  ['newfstatat:error=EIO:when=3', '/lib/ld.so', 'Input/output error'],
] as const) {
  test(`${injection}: the runtime cannot be run`, () =>
    withRuntime(async (runtime) => {
      const answer = await failing(injection, { runtime });
      assert.equal(errorOf(answer), [1, 5, `Cannot run "${runtime}${name}": ${why}`]);
    }));
}

test('nobody knows where the executable is', async () => {
  const answer = await failing('readlinkat:error=EACCES', { runtime: '' });
  assert.equal(errorOf(answer), [1, 5, 'Cannot read "/proc/self/exe": Permission denied']);
});

test('no socket to be had: says so and falls back', () =>
  withRuntime(async (runtime) => {
    const { stdout, stderr } = await failing('socket:error=EMFILE', { runtime, socket: '/x' });
    assert.is(JSON.parse(stdout).fallback, true);
    const message = 'Cannot reach the agent at "/x": Too many open files; running GC without it';
    assert.equal(JSON.parse(stderr), { level: 'warn', message });
  }));

test('an agent that always closes behind its hello: nothing was sent, and the patience ends', () =>
  withAgent(OK, (socket) =>
    withRuntime(async (runtime) => {
      const { stdout, stderr } = await failing('sendmsg:error=EPIPE', { runtime, socket, helloSecond: 100 });
      assert.is(JSON.parse(stdout).fallback, true);
      assert.match(
        JSON.parse(stderr).message,
        /^No agent at ".*" answered within 2 s; running GC without it$/,
      );
    }),
  ));

test('the connection breaks when half of the request is sent: lost', () =>
  withAgent(OK, (socket) =>
    withRuntime(async (runtime) => {
      const input = 'x'.repeat(1024 * 1024); // takes more than one sendmsg(2)
      const call = { command: 'ADD', runtime, socket, input, haste: 20 };
      const { stderr } = await failing('sendmsg:error=EPIPE:when=2+', call);
      assert.match(
        JSON.parse(stderr).message,
        /^The agent accepted ADD but has been silent for 30 s; completing it/,
      );
    }),
  ));

test.run();
