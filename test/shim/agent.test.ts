/** The shim and the agent up to the request: who is there, who is not there yet, and who is no agent. */
import { chmodSync, linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  answering,
  HELLO,
  type Request,
  reply,
  type Script,
  shim,
  startAgent,
  withAgent,
  withFolder,
  withRuntime,
} from '../helpers/shim.ts';

const test = suite('the shim meets the agent');

const OK = answering(reply('{}'));
const CONF = '{"cniVersion":"1.0.0","name":"n","type":"tapwire"}';
/** Lets ADD wait a second for an agent, others 200 ms. */
const HURRIED = 100;

test('prints what the agent says, and ends with its status', async () => {
  for (const [status, out, err] of [
    [0, '{"cniVersion":"1.0.0"}', ''],
    [1, '{"code":7}', '{"level":"error"}'],
    [0, '', ''],
  ] as const) {
    await withAgent(answering(reply(out, status, err)), async (socket) => {
      const { exitCode, stdout, stderr } = await shim('GC', { socket, input: CONF });
      assert.equal([exitCode, stdout, stderr], [status, out, err]);
    });
  }
});

test("sends CNI's variables and stdin, and nothing else", async () => {
  let seen: Request | undefined;
  const script: Script = async (caller, request) => {
    caller.write(HELLO);
    seen = await request;
    caller.end(reply());
  };
  await withAgent(script, async (socket) => {
    const foreign = {
      NODE_OPTIONS: '--x',
      LD_PRELOAD: '/x.so',
      LD_LIBRARY_PATH: '/x',
      PATH: '/x',
      CNI: 'x',
      TRACEPARENTS: 'x',
    };
    const env = {
      ...foreign,
      CNI_ARGS: 'a=b;c',
      TRACEPARENT: '00-1',
      CNI_EMPTY: '',
      TAPWIRE_NODE_FILE: '/x',
      ZNI_: 'x',
    };
    await shim('DEL', { socket, input: CONF, env });
  });
  assert.equal([...(seen?.environment ?? [])].sort(), [
    'CNI_ARGS=a=b;c',
    'CNI_COMMAND=DEL',
    'CNI_EMPTY=',
    'TRACEPARENT=00-1',
  ]);
  assert.equal([seen?.input.toString(), seen?.netnsErrno, seen?.inputErrno], [CONF, 0, 0]);
});

test('however many variables there are, those of CNI arrive', async () => {
  let seen: Request | undefined;
  const script: Script = async (caller, request) => {
    caller.write(HELLO);
    seen = await request;
    caller.end(reply());
  };
  const env: Record<string, string> = {};
  for (let i = 0; i < 200; i++) Object.assign(env, { [`CNI_A${i}`]: 'x'.repeat(i), [`FOREIGN${i}`]: 'y' });
  await withAgent(script, (socket) => shim('DEL', { socket, input: CONF, env }));
  const sent = new Set(seen?.environment);
  assert.is(sent.size, 201);
  for (let i = 0; i < 200; i++) assert.ok(sent.has(`CNI_A${i}=${'x'.repeat(i)}`));
});

test('VERSION goes to the agent without stdin being read', () =>
  withAgent(OK, async (socket) => {
    const { exitCode, stdout } = await shim('VERSION', { socket, options: { stdin: 'pipe' } });
    assert.equal([exitCode, stdout], [0, '{}']);
  }));

test('a hello and a reply in tiny pieces, and slowly', () =>
  withAgent(
    async (caller, request) => {
      caller.setNoDelay(true);
      for (const piece of HELLO) {
        caller.write(piece);
        await sleep(2);
      }
      await request;
      for (const byte of reply('{"out":1}', 1, 'err')) {
        caller.write(Buffer.of(byte));
        await sleep(5);
      }
      caller.end();
    },
    async (socket) => {
      const { exitCode, stdout, stderr } = await shim('GC', { socket, input: CONF });
      assert.equal([exitCode, stdout, stderr], [1, '{"out":1}', 'err']);
    },
  ));

test('a reply of several MiB', () =>
  withAgent(answering(reply('x'.repeat(8 * 1024 * 1024), 0, 'y'.repeat(100_000))), async (socket) => {
    const { exitCode, stdout, stderr } = await shim('GC', { socket, input: CONF });
    assert.equal([exitCode, stdout.length, stderr.length], [0, 8 * 1024 * 1024, 100_000]);
  }));

test('no socket: the fallback at once and in silence', () =>
  withRuntime(async (runtime) => {
    for (const socket of ['/nonexistent/agent.sock', '/etc/passwd/agent.sock']) {
      const { stdout, stderr } = await shim('ADD', { runtime, socket, input: CONF });
      assert.is(JSON.parse(stdout).fallback, true);
      assert.is(stderr, '', 'the patience for an agent has not ended');
    }
  }));

/** Leaves the socket file of an agent that was killed. */
function withStaleSocket<T>(act: (socket: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const socket = join(folder, 'agent.sock');
    const server = createServer();
    await new Promise<void>((listening) => server.listen(join(folder, 'first'), listening));
    linkSync(join(folder, 'first'), socket); // the server removes only its own name
    await new Promise((closed) => server.close(closed));
    return act(socket);
  });
}

const PATIENCE = { ADD: '10 s', DEL: '2 s' } as const;
for (const command of ['ADD', 'DEL'] as const) {
  test(`${command}: nobody listens on the socket: waits, says so, and falls back`, () =>
    withStaleSocket((socket) =>
      withRuntime(async (runtime) => {
        const { stdout, stderr, ms } = await shim(command, {
          runtime,
          socket,
          input: CONF,
          helloSecond: HURRIED,
        });
        assert.is(JSON.parse(stdout).fallback, true);
        assert.equal(JSON.parse(stderr), {
          level: 'warn',
          message: `No agent at "${socket}" answered within ${PATIENCE[command]}; running ${command} without it`,
        });
        assert.ok(ms > (command === 'ADD' ? 1000 : 200));
      }),
    ));
}

for (const [what, greet] of [
  ['nothing', () => {}],
  ['another hello', (caller) => void caller.write('tapwire2')],
  ['half a hello and closes', (caller) => void caller.end('tapw')],
  ['nothing and closes', (caller) => void caller.end()],
] as const satisfies readonly (readonly [string, Script])[]) {
  test(`an agent that says ${what}: nothing is sent to it, and the call falls back`, async () => {
    let sent = 0;
    const script: Script = (caller) => {
      caller.on('data', (bytes) => {
        sent += bytes.length;
      });
      greet(caller);
    };
    await withAgent(script, (socket) =>
      withRuntime(async (runtime) => {
        const { stdout, stderr } = await shim('DEL', { runtime, socket, input: CONF, helloSecond: HURRIED });
        assert.is(JSON.parse(stdout).fallback, true);
        assert.match(
          JSON.parse(stderr).message,
          /^No agent at ".*" answered within 2 s; running DEL without it$/,
        );
      }),
    );
    assert.is(sent, 0);
  });
}

test('an agent that comes back within the patience gets the call', () =>
  withStaleSocket(async (socket) => {
    const calling = shim('ADD', { socket, input: CONF });
    await sleep(300);
    const stop = await startAgent(`${socket}.new`, OK);
    try {
      renameSync(`${socket}.new`, socket);
      const { stdout, stderr } = await calling;
      assert.equal([stdout, stderr], ['{}', '']);
    } finally {
      await stop();
    }
  }));

test('an agent that has no room yet gets the call when it has', async () => {
  let turn = 0;
  const script: Script = async (caller, request) => {
    if (turn++ < 3) {
      caller.end(turn === 1 ? '' : 'garbage!');
      return;
    }
    await sleep(200);
    return OK(caller, request);
  };
  await withAgent(script, async (socket) => {
    const { stdout, stderr } = await shim('DEL', { socket, input: CONF });
    assert.equal([stdout, stderr], ['{}', '']);
  });
});

test('a socket that vanishes while the agent is silent: the fallback at once', () =>
  withAgent(
    () => {},
    (socket) =>
      withRuntime(async (runtime) => {
        const calling = shim('ADD', { runtime, socket, input: CONF });
        await sleep(300);
        rmSync(socket);
        const { stdout, stderr } = await calling;
        assert.is(JSON.parse(stdout).fallback, true);
        assert.is(stderr, '', 'the patience has not ended');
      }),
  ));

test('a socket that may not be used: says so and falls back', () =>
  withAgent(OK, (socket) =>
    withRuntime(async (runtime) => {
      chmodSync(join(socket, '..'), 0o755);
      chmodSync(socket, 0o600);
      const nobody = { uid: 65534, gid: 65534 };
      const { stdout, stderr } = await shim('ADD', { runtime, socket, input: CONF, options: nobody });
      assert.is(JSON.parse(stdout).fallback, true);
      const message = `Cannot reach the agent at "${socket}": Permission denied; running ADD without it`;
      assert.equal(JSON.parse(stderr), { level: 'warn', message });
    }),
  ));

test('a file that is no socket is an agent that is not there', () =>
  withFolder((folder) =>
    withRuntime(async (runtime) => {
      const socket = join(folder, 'agent.sock');
      writeFileSync(socket, '');
      const { stdout } = await shim('DEL', { runtime, socket, input: CONF, helloSecond: HURRIED });
      assert.is(JSON.parse(stdout).fallback, true);
    }),
  ));

test.run();
