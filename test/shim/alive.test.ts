/** `tapwire alive`, the liveness probe, against agents that follow a script. */
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { INSTALLED, SHIM, withDirectory } from '../helpers/plugin/shim.ts';

const test = suite('tapwire alive');

const ASKS = 'The agent did not reply within 4 s';
const ERROR = 'the agent’s own words';

async function alive(socket: string, timeScale = 1) {
  const env = { TAPWIRE_AGENT_SOCKET: socket, TAPWIRE_HASTE: `${timeScale}`, CNI_COMMAND: 'ADD' };
  const { exitCode, stdout, stderr } = await execa(SHIM, ['alive'], { env, extendEnv: false, reject: false });
  assert.is(stdout, '');
  return [exitCode, stderr === '' ? '' : JSON.parse(stderr).message];
}

/** Calls the probe with an agent that does this with each client. */
async function askOf(serve: (client: Socket) => void, timeScale = 1) {
  return withDirectory(async (directory) => {
    const socket = join(directory, 'agent.sock');
    const server = createServer((client) => {
      client.on('error', () => {});
      serve(client);
    });
    await new Promise<void>((resolve) => server.listen(`${socket}.live`, resolve));
    try {
      return await alive(socket, timeScale);
    } finally {
      server.close();
    }
  });
}

test('an agent that says ok is alive', async () => {
  assert.equal(await askOf((client) => client.end('ok\n')), [0, '']);
});

test('the reply may come byte by byte', async () => {
  const byByte = (client: Socket) => {
    for (const [i, byte] of ['o', 'k', '\n'].entries()) setTimeout(() => client.write(byte), 20 * i);
    setTimeout(() => client.end(), 100);
  };
  assert.equal(await askOf(byByte), [0, '']);
});

for (const [what, reply, message] of [
  ['gives a reason', `${ERROR}\n`, ERROR],
  ['gives a reason with quotes, and more lines', '"no"\nok\n', '"no"'],
  ['says more than ok', 'ok\nok\n', 'ok'],
  ['says ok without an end of line', 'ok', 'ok'],
  ['says nothing', '', 'The agent closed the connection without a reply'],
  ['says hello, as at its other socket', 'tapwire1', 'tapwire1'],
] as const) {
  test(`an agent that ${what} is not alive`, async () => {
    assert.equal(await askOf((client) => client.end(reply)), [1, message]);
  });
}

test('of a reply without an end, the beginning is printed', async () => {
  const [code, message] = await askOf((client) => client.end('x'.repeat(1_000_000)));
  assert.equal([code, message], [1, 'x'.repeat(1024)]);
});

test('an agent that does not reply, or says ok and does not close, is not alive', async () => {
  assert.equal(await askOf(() => {}, 40), [1, ASKS]);
  assert.equal(await askOf((client) => void client.write('ok\n'), 40), [1, ASKS]);
});

test('an agent that sends a byte now and then is not alive', async () => {
  const drip = (client: Socket) => {
    const timer = setInterval(() => client.write('\0'), 10);
    client.on('close', () => clearInterval(timer));
  };
  assert.equal(await askOf(drip, 40), [1, ASKS]);
});

test('without an agent, the probe names the socket', async () => {
  const path = '/nonexistent/agent.sock';
  const message = `Cannot reach the agent at "${path}.live": No such file or directory`;
  assert.equal(await alive(path), [1, message]);
});

test('the installed build asks at its own path, whatever the environment says', async () => {
  const env = { TAPWIRE_AGENT_SOCKET: '/nonexistent/agent.sock' };
  const { stderr } = await execa(
    'unshare',
    ['--mount', 'sh', '-c', `mount -t tmpfs none /run; exec ${INSTALLED} alive`],
    {
      env,
      reject: false,
    },
  );
  assert.match(JSON.parse(stderr).message, '"/run/tapwire/agent.sock.live": No such file or directory');
});

test.run();
