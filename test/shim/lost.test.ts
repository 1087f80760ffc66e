/** An agent that took the request and sent no valid reply: there is never a second writer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withReceiver } from '../helpers/plugin/receiver.ts';
import { errorOf, HELLO, reply, type Script, shim, withAgent, withFallback } from '../helpers/plugin/shim.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('the shim when it has lost the agent');

const CONF = '{"cniVersion":"0.4.0","name":"n","type":"tapwire"}';
const MIB = 1024 * 1024;
/** Timeouts of every command: 1.5 s for the reply, then 250 ms for the lock. */
const TIME_SCALE = 20;

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
    'sends one byte too many',
    after((caller) => caller.end(reply('{}x', 0, '', [2, 0]))),
    'sent an invalid reply',
  ],
  ['is silent', after(() => {}), 'has been silent for 30 s', TIME_SCALE],
  [
    'stops in the middle of the reply',
    after((caller) => void caller.write(reply('{}', 0, '', [10, 0]))),
    'did not complete its reply within 30 s',
    TIME_SCALE,
  ],
] as const satisfies readonly (readonly [string, Script, string, number?])[];

for (const [what, script, how, timeScale = 1] of WAYS) {
  test(`the fallback completes the work of an agent that ${what}`, () =>
    withNetns(({ path }) =>
      withAgent(script, (socket) =>
        withFallback(async (fallbackDir) => {
          for (const env of [{ CNI_NETNS: path }, { CNI_NETNS: '' }]) {
            const { stdout, stderr } = await shim('ADD', {
              fallbackDir,
              socket,
              input: CONF,
              env,
              timeScale,
            });
            const { fallback, input } = JSON.parse(stdout);
            assert.equal([fallback, input], [true, CONF]);
            const message = `The agent accepted ADD but ${how}; completing it without the agent`;
            assert.equal(JSON.parse(stderr), { level: 'warn', message });
          }
        }),
      ),
    ));
}

test('an agent that does not close after its reply has still replied', () =>
  withAgent(
    after((caller) => void caller.write(reply('{}'))),
    async (socket) => {
      const { exitCode, stdout } = await shim('ADD', { socket, input: CONF, env: { CNI_NETNS: '' } });
      assert.equal([exitCode, stdout], [0, '{}']);
    },
  ));

for (const command of ['ADD', 'DEL', 'CHECK']) {
  test(`${command} fails without a second writer if the agent is silent and holds the netns`, () =>
    withNetns(({ path }) =>
      withReceiver('hold', ({ socket }) =>
        withFallback(async (fallbackDir) => {
          const env = { CNI_NETNS: path };
          const answer = await shim(command, {
            fallbackDir,
            socket,
            input: CONF,
            env,
            timeScale: TIME_SCALE,
          });
          const msg = `Cannot tell how ${command} ended: the agent accepted the request but has been silent for 30 s; try again`;
          assert.equal(errorOf(answer), [1, 11, msg]);
          assert.is(JSON.parse(answer.stdout).cniVersion, '0.4.0');
          assert.ok(answer.ms > 1700, 'it waits for the reply and for the lock');
        }),
      ),
    ));
}

test('the fallback continues if the agent releases the lock in time', () =>
  withNetns(({ path }) =>
    withReceiver('hold', ({ socket, stop }) =>
      withFallback(async (fallbackDir) => {
        const env = { CNI_NETNS: path };
        const calling = shim('DEL', { fallbackDir, socket, input: CONF, env });
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
      withFallback(async (fallbackDir) => {
        const env = { CNI_NETNS: '/run/netns/tapwire-none' };
        const { stdout } = await shim('DEL', { fallbackDir, socket, input: CONF, env });
        assert.is(JSON.parse(stdout).fallback, true);
      }),
  ));

test('an error sent before the agent has read the whole request is a reply', () =>
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
