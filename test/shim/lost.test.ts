/** An agent that took the request and gave no valid reply: never a second writer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withNetns } from '../helpers/netns.ts';
import { withReceiver } from '../helpers/receiver.ts';
import { errorOf, HELLO, reply, type Script, shim, withAgent, withRuntime } from '../helpers/shim.ts';

const test = suite('the shim has lost the agent');

const CONF = '{"cniVersion":"0.4.0","name":"n","type":"tapwire"}';
const MIB = 1024 * 1024;
/** Everything waits 1.5 s for the reply, then 250 ms for the lock. */
const HASTE = 20;

const after =
  (act: (...args: Parameters<Script>) => void): Script =>
  async (caller, request) => {
    caller.write(HELLO);
    await request;
    act(caller, request);
  };

const WAYS = [
  ['closes silently', after((caller) => caller.end()), 'closed the connection before its reply was complete'],
  ['dies', after((caller) => caller.destroy()), 'closed the connection before its reply was complete'],
  [
    'sends half a header',
    after((caller) => caller.end(reply().subarray(0, 7))),
    'closed the connection before its reply was complete',
  ],
  [
    'sends half a body',
    after((caller) => caller.end(reply('{}', 0, '', [10, 0]))),
    'closed the connection before its reply was complete',
  ],
  ['sends garbage', after((caller) => caller.end('What is this? No reply at all')), 'sent an invalid reply'],
  ['sends status 2', after((caller) => caller.end(reply('{}', 2))), 'sent an invalid reply'],
  [
    'sends too much stdout',
    after((caller) => caller.end(reply('', 0, '', [8 * MIB + 1, 0]))),
    'sent an invalid reply',
  ],
  [
    'sends too much stderr',
    after((caller) => caller.end(reply('', 0, '', [0, 0xffffffff]))),
    'sent an invalid reply',
  ],
  [
    'sends a byte too many',
    after((caller) => caller.end(reply('{}x', 0, '', [2, 0]))),
    'sent an invalid reply',
  ],
  ['is silent', after(() => {}), 'has been silent for 30 s', HASTE],
  [
    'stops within the reply',
    after((caller) => void caller.write(reply('{}', 0, '', [10, 0]))),
    'did not complete its reply within 30 s',
    HASTE,
  ],
] as const satisfies readonly (readonly [string, Script, string, number?])[];

for (const [what, script, how, haste = 1] of WAYS) {
  test(`an agent that ${what}: the fallback completes what it began`, () =>
    withNetns(({ path }) =>
      withAgent(script, (socket) =>
        withRuntime(async (runtime) => {
          for (const env of [{ CNI_NETNS: path }, { CNI_NETNS: '' }]) {
            const { stdout, stderr } = await shim('ADD', { runtime, socket, input: CONF, env, haste });
            const { fallback, input } = JSON.parse(stdout);
            assert.equal([fallback, input], [true, CONF]);
            const message = `The agent accepted ADD but ${how}; completing it without the agent`;
            assert.equal(JSON.parse(stderr), { level: 'warn', message });
          }
        }),
      ),
    ));
}

test('an agent that does not close after its answer has answered all the same', () =>
  withAgent(
    after((caller) => void caller.write(reply('{}'))),
    async (socket) => {
      const { exitCode, stdout } = await shim('ADD', { socket, input: CONF, env: { CNI_NETNS: '' } });
      assert.equal([exitCode, stdout], [0, '{}']);
    },
  ));

for (const command of ['ADD', 'DEL', 'CHECK']) {
  test(`${command}: an agent that is silent and holds the netns: an error, and no second writer`, () =>
    withNetns(({ path }) =>
      withReceiver('hold', ({ socket }) =>
        withRuntime(async (runtime) => {
          const env = { CNI_NETNS: path };
          const answer = await shim(command, { runtime, socket, input: CONF, env, haste: HASTE });
          const msg = `Cannot tell how ${command} ended: the agent accepted the request but has been silent for 30 s; try again`;
          assert.equal(errorOf(answer), [1, 11, msg]);
          assert.is(JSON.parse(answer.stdout).cniVersion, '0.4.0');
          assert.ok(answer.ms > 1700, 'it waits for the reply and for the lock');
        }),
      ),
    ));
}

test('the lock that the agent lets go of in time lets the fallback go on', () =>
  withNetns(({ path }) =>
    withReceiver('hold', ({ socket, stop }) =>
      withRuntime(async (runtime) => {
        const env = { CNI_NETNS: path };
        const calling = shim('DEL', { runtime, socket, input: CONF, env });
        await sleep(1000);
        await stop();
        const { stdout, stderr } = await calling;
        assert.is(JSON.parse(stdout).fallback, true);
        assert.match(
          JSON.parse(stderr).message,
          /^The agent accepted DEL but closed the connection before its reply was complete;/,
        );
      }),
    ),
  ));

test('a netns that is gone meanwhile has no writer', () =>
  withAgent(
    after((caller) => caller.end()),
    (socket) =>
      withRuntime(async (runtime) => {
        const env = { CNI_NETNS: '/run/netns/tapwire-none' };
        const { stdout } = await shim('DEL', { runtime, socket, input: CONF, env });
        assert.is(JSON.parse(stdout).fallback, true);
      }),
  ));

test('a refusal before the whole request was read is a reply', () =>
  withAgent(
    async (caller) => {
      caller.write(HELLO);
      caller.pause();
      await sleep(100);
      caller.end(reply('{"code":6}', 1));
      await sleep(100);
      caller.destroy();
    },
    async (socket) => {
      const input = Buffer.alloc(MIB + 1, 'x');
      const { exitCode, stdout } = await shim('GC', { socket, input });
      assert.equal([exitCode, stdout], [1, '{"code":6}']);
    },
  ));

test.run();
