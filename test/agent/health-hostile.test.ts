/**
 * Clients without any right at the port of health and metrics, and programs that have the port
 * first: they hinder neither calls nor, for long, other clients of the port.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import { page, succeeded, until, urlOf, withEmptyNode, within } from '../helpers/agent/agent-node.ts';
import { sharedNode } from '../helpers/agent/trap.ts';
import { withPod } from '../helpers/pod/netns.ts';

const test = suite("the agent's endpoints and hostile clients");
const ourNode = sharedNode();

interface Client {
  readonly socket: Socket;
  /** Everything received so far. */
  readonly text: () => string;
}

async function client(agent: Agent): Promise<Client> {
  const { port } = new URL(urlOf(agent, '/'));
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, text: () => text };
}

const get = (path: string, ...headers: readonly string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n');

/** Sends the bytes. Returns everything received when the agent has closed the connection. */
async function exchange(agent: Agent, bytes: string | Buffer): Promise<string> {
  const { socket, text } = await client(agent);
  socket.write(bytes);
  await until('the agent ends or resets the connection', () => socket.readableEnded || socket.closed);
  socket.destroy();
  return text();
}

const responsesIn = (text: string): number => text.split('HTTP/1.1 ').length - 1;

for (const path of ['/healthz', '/readyz', '/metrics']) {
  test(`a burst of 512 KiB of GETs of ${path} on one connection gets at most one response`, async () => {
    const { agent } = await ourNode();
    const one = get(path);
    const text = await exchange(agent, one.repeat(Math.ceil((512 * 1024) / one.length)));
    // Bytes that the agent does not read reset the connection, perhaps before the client reads.
    assert.ok(responsesIn(text) <= 1, text.slice(0, 2000));
    assert.is((await page(agent, path)).status, 200);
  });
}

test('two requests in one packet get one response, and the connection is closed', async () => {
  const { agent } = await ourNode();
  const text = await exchange(agent, get('/healthz') + get('/metrics'));
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Connection: close\r\n\r\nok\n$/);
});

for (const [what, bytes, status] of [
  ['asks to keep the connection', get('/healthz', 'Connection: keep-alive'), 200],
  ['asks for another protocol', get('/healthz', 'Connection: upgrade', 'Upgrade: h2c'), 200],
  ['waits for leave to send a body', get('/healthz', 'Expect: 100-continue', 'Content-Length: 9'), 200],
  ['sends a body', `${get('/healthz', 'Content-Length: 9')}123456789`, 200],
  ['sends a body in chunks', `${get('/healthz', 'Transfer-Encoding: chunked')}9\r\n123456789\r\n`, 200],
  ['sends a request of HTTP/1.0', 'GET /healthz HTTP/1.0\r\n\r\n', 200],
  ['sends a request of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['sends headers of 9,000 bytes', get('/healthz', `X: ${'x'.repeat(9000)}`), 431],
  ['sends 9,000 bytes without a line', 'x'.repeat(9000), 431],
  ['sends 9,000 NULs', Buffer.alloc(9000), 431],
] as const) {
  test(`a client that ${what} gets status ${status}, and the connection is closed`, async () => {
    const { agent } = await ourNode();
    const text = await exchange(agent, bytes);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nConnection: close\r\n`));
    assert.is(responsesIn(text), 1);
  });
}

test('a client that goes on sending after its request is disconnected', async () => {
  const { agent } = await ourNode();
  const { socket } = await client(agent);
  socket.write(get('/healthz'));
  let isOver = false;
  socket.on('close', () => {
    isOver = true;
  });
  const end = performance.now() + 60_000;
  while (!isOver && performance.now() < end) {
    socket.write('x');
    await sleep(5);
  }
  assert.ok(isOver);
});

test('a client that has closed its sending side gets its response', async () => {
  const { agent } = await ourNode();
  const { socket, text } = await client(agent);
  socket.end(get('/readyz'));
  await within('the response', once(socket, 'end'));
  assert.match(text(), /^HTTP\/1\.1 200 OK\r\n/);
});

test('a new client beyond the limit takes the place of the oldest, and of no other', async () => {
  const { agent } = await ourNode();
  const clients: Client[] = [];
  for (let i = 0; i < 64; i++) {
    const one = await client(agent);
    one.socket.write('GET /healthz HTTP/1.1\r\n'); // without an end
    clients.push(one);
  }
  const closed = () => clients.map(({ socket }) => socket.readableEnded || socket.closed);
  assert.is((await page(agent, '/healthz')).status, 200);
  await until('the oldest is closed', () => closed()[0] === true);
  const last = clients.at(-1);
  last?.socket.write('\r\n');
  await until('the latest gets its response', () => last?.text().startsWith('HTTP/1.1 200') === true);
  for (const { socket } of clients) socket.destroy();
});

test('16 clients that connect again and again do not keep others from being served', async () => {
  const { agent } = await ourNode();
  let isOver = false;
  const knock = async () => {
    while (!isOver) {
      const { socket, text } = await client(agent);
      socket.write(get('/healthz', 'Connection: keep-alive'));
      await until('it is served or sent away', () => text() !== '' || socket.closed);
      await sleep(20);
      socket.destroy();
    }
  };
  const attack = Promise.all(Array.from({ length: 16 }, knock));
  for (let i = 0; i < 15; i++) {
    for (const path of ['/healthz', '/readyz', '/metrics'])
      assert.is((await within(path, page(agent, path))).status, 200, path);
  }
  isOver = true;
  await attack;
});

// ---- the port belongs to another program

/** A program that has a free port of the loopback. */
async function squatter(): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { server, address: `127.0.0.1:${port}` };
}

const failures = (agent: Agent): readonly string[] =>
  agent
    .log()
    .split('\n')
    .filter((line) => line.includes('Cannot serve health and metrics'));

test('an agent whose health port belongs to another program serves calls, says so once, and has the port when it is free', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const { server, address } = await squatter();
      const agent = await node.start({ health: address });
      assert.is(new URL(urlOf(agent, '/')).host, address, 'the log names the wanted address');
      succeeded(await node.call('ADD', pod, { fallback: false }));
      const message = `Cannot serve health and metrics at "${address}": listen EADDRINUSE: address already in use ${address}; CNI calls are served, and the address is tried again; find the program that has the port ("ss -ltnp") and stop it, or choose another port with --health`;
      assert.is(JSON.parse(failures(agent)[0] ?? '{}').message, message);
      assert.is(JSON.parse(failures(agent)[0] ?? '{}').level, 'error');
      await sleep(5000); // two more attempts
      server.close();
      await until('the agent has the port', () =>
        agent.log().includes(`Serving health and metrics at ${address}`),
      );
      assert.equal(await page(agent, '/readyz'), { status: 200, text: 'ok\n' });
      assert.is(failures(agent).length, 1);
      succeeded(await node.call('DEL', pod, { fallback: false }));
      agent.accept(); // the port
      await agent.stop();
    }),
  ));

test('an agent whose health port is never free serves calls and ends when it is told to', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const { server, address } = await squatter();
      const agent = await node.start({ health: address });
      for (const command of ['ADD', 'DEL']) succeeded(await node.call(command, pod, { fallback: false }));
      await agent.stop();
      server.close();
    }),
  ));

test('two agents with one health port both run, and the later one serves the calls', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const first = await node.start();
      const second = await node.start({ health: new URL(urlOf(first, '/')).host });
      assert.is(failures(second).length, 1);
      succeeded(await node.call('ADD', pod, { fallback: false }));
      await until('the later one served it', () => second.log().includes('"message":"ADD"'));
      await first.stop();
      await until('the later one has the port', () => second.log().includes('"Serving health and metrics'));
      succeeded(await node.call('DEL', pod, { fallback: false }));
      second.accept();
      await second.stop();
    }),
  ));

for (const [what, address, reason] of [
  ['of another machine', '192.0.2.1:1', 'EADDRNOTAVAIL'],
  ['that is not a name of a host', 'no-such-host.invalid:1', 'getaddrinfo'],
] as const) {
  test(`an agent with a health address ${what} serves calls and says which address to choose`, () =>
    withEmptyNode((node) =>
      withPod('eth0', async (pod) => {
        const agent = await node.start({ health: address });
        const [failure = '{}'] = failures(agent);
        const { message } = JSON.parse(failure);
        assert.match(message, `Cannot serve health and metrics at "${address}": `);
        assert.match(message, reason);
        assert.match(message, /; choose an address of this node with --health$/);
        for (const command of ['ADD', 'DEL']) succeeded(await node.call(command, pod, { fallback: false }));
        await agent.stop();
      }),
    ));
}

test.run();
