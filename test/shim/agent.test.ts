/**
 * The handshake of shim and agent, up to the request: an agent that is present, one that starts
 * late, and a peer that is not an agent.
 */
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
  withDirectory,
  withFallback,
} from '../helpers/plugin/shim.ts';

const test = suite("the shim's handshake with the agent");

const OK = answering(reply('{}'));
const CONF = '{"cniVersion":"1.0.0","name":"n","type":"tapwire"}';
/** Makes ADD wait one second for an agent; the other commands wait 200 ms. */
const HURRIED = 100;

test("the shim prints the agent's reply and exits with its status", async () => {
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

test("the request contains CNI's variables and stdin, and nothing else", async () => {
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

test("CNI's variables arrive among any number of others", async () => {
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

test('VERSION goes to the agent without reading stdin', () =>
  withAgent(OK, async (socket) => {
    const { exitCode, stdout } = await shim('VERSION', { socket, options: { stdin: 'pipe' } });
    assert.equal([exitCode, stdout], [0, '{}']);
  }));

test('a hello and a reply that arrive slowly in tiny pieces are read whole', () =>
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

test('a reply of several MiB is printed whole', () =>
  withAgent(answering(reply('x'.repeat(8 * 1024 * 1024), 0, 'y'.repeat(100_000))), async (socket) => {
    const { exitCode, stdout, stderr } = await shim('GC', { socket, input: CONF });
    assert.equal([exitCode, stdout.length, stderr.length], [0, 8 * 1024 * 1024, 100_000]);
  }));

test('a missing socket makes the shim fall back at once and silently', () =>
  withFallback(async (fallbackDir) => {
    for (const socket of ['/nonexistent/agent.sock', '/etc/passwd/agent.sock']) {
      const { stdout, stderr } = await shim('ADD', { fallbackDir, socket, input: CONF });
      assert.is(JSON.parse(stdout).fallback, true);
      assert.is(stderr, '', 'the timeout for an agent has not passed');
    }
  }));

/** Leaves the socket file of an agent that was killed. */
function withStaleSocket<T>(act: (socket: string) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const socket = join(directory, 'agent.sock');
    const server = createServer();
    await new Promise<void>((listening) => server.listen(join(directory, 'first'), listening));
    linkSync(join(directory, 'first'), socket); // The server removes only its own name.
    await new Promise((closed) => server.close(closed));
    return act(socket);
  });
}

const TIMEOUT = { ADD: '10 s', DEL: '2 s' } as const;
for (const command of ['ADD', 'DEL'] as const) {
  test(`${command} waits for a socket on which no process listens, then warns and falls back`, () =>
    withStaleSocket((socket) =>
      withFallback(async (fallbackDir) => {
        const { stdout, stderr, ms } = await shim(command, {
          fallbackDir,
          socket,
          input: CONF,
          helloSecond: HURRIED,
        });
        assert.is(JSON.parse(stdout).fallback, true);
        assert.equal(JSON.parse(stderr), {
          level: 'warn',
          message: `No agent at "${socket}" answered within ${TIMEOUT[command]}; running ${command} without it`,
        });
        assert.ok(ms > (command === 'ADD' ? 1000 : 200));
      }),
    ));
}

for (const [what, greet] of [
  ['nothing', () => {}],
  ['sends another hello', (caller) => void caller.write('tapwire2')],
  ['sends half a hello and closes', (caller) => void caller.end('tapw')],
  ['sends nothing and closes', (caller) => void caller.end()],
] as const satisfies readonly (readonly [string, Script])[]) {
  test(`a peer that ${what} gets no request, and the shim falls back`, async () => {
    let sent = 0;
    const script: Script = (caller) => {
      caller.on('data', (bytes) => {
        sent += bytes.length;
      });
      greet(caller);
    };
    await withAgent(script, (socket) =>
      withFallback(async (fallbackDir) => {
        const { stdout, stderr } = await shim('DEL', {
          fallbackDir,
          socket,
          input: CONF,
          helloSecond: HURRIED,
        });
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

test('an agent that restarts within the timeout gets the call', () =>
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

test('an agent without room gets the call when it has room', async () => {
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

test('a socket that vanishes while the agent is silent makes the shim fall back at once', () =>
  withAgent(
    () => {},
    (socket) =>
      withFallback(async (fallbackDir) => {
        const calling = shim('ADD', { fallbackDir, socket, input: CONF });
        await sleep(300);
        rmSync(socket);
        const { stdout, stderr } = await calling;
        assert.is(JSON.parse(stdout).fallback, true);
        assert.is(stderr, '', 'the timeout has not passed');
      }),
  ));

test('a socket without access makes the shim warn and fall back', () =>
  withAgent(OK, (socket) =>
    withFallback(async (fallbackDir) => {
      chmodSync(join(socket, '..'), 0o755);
      chmodSync(socket, 0o600);
      const nobody = { uid: 65534, gid: 65534 };
      const { stdout, stderr } = await shim('ADD', { fallbackDir, socket, input: CONF, options: nobody });
      assert.is(JSON.parse(stdout).fallback, true);
      const message = `Cannot reach the agent at "${socket}": Permission denied; running ADD without it`;
      assert.equal(JSON.parse(stderr), { level: 'warn', message });
    }),
  ));

test('a file that is not a socket counts as a missing agent', () =>
  withDirectory((directory) =>
    withFallback(async (fallbackDir) => {
      const socket = join(directory, 'agent.sock');
      writeFileSync(socket, '');
      const { stdout } = await shim('DEL', { fallbackDir, socket, input: CONF, helloSecond: HURRIED });
      assert.is(JSON.parse(stdout).fallback, true);
    }),
  ));

test.run();
