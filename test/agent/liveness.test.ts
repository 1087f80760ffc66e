/** The agent's liveness: it has a socket of its own, which clients of health cannot fill. */
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import {
  freshPage,
  isStopped,
  metricsOf,
  page,
  succeeded,
  until,
  untilIs,
  urlOf,
  withAgentNode,
} from '../helpers/agent/agent-node.ts';
import { withTrap } from '../helpers/agent/trap.ts';
import { SHIM } from '../helpers/plugin/shim.ts';
import { withPod } from '../helpers/pod/netns.ts';

const test = suite("the agent's liveness");

/** Exit status and message of the probe. */
async function probe({ socket }: Pick<Agent, 'socket'>, timeScale = 1) {
  const env = { TAPWIRE_AGENT_SOCKET: socket, TAPWIRE_HASTE: `${timeScale}` };
  const { exitCode, stderr } = await execa(SHIM, ['alive'], { env, extendEnv: false, reject: false });
  return [exitCode, stderr === '' ? '' : JSON.parse(stderr).message];
}
const ALIVE = [0, ''];
/** Tries again on a machine so busy that the agent does not reply in time. */
const isAlive = (agent: Pick<Agent, 'socket'>) => untilIs('it is alive', () => probe(agent), ALIVE);

test('only root can ask, and an agent that is stopped is not alive', () =>
  withAgentNode(async ({ agent }) => {
    await isAlive(agent);
    const { uid, mode } = statSync(`${agent.socket}.live`);
    assert.equal([uid, mode & 0o777], [0, 0o600]);
    agent.kill('SIGSTOP');
    await until('it is stopped', () => isStopped(agent));
    assert.equal(await probe(agent, 40), [1, 'The agent did not reply within 4 s']);
    agent.kill('SIGCONT');
    await isAlive(agent);
  }));

test('clients that fill the port of health and metrics do not keep the probe out, nor do clients that do not leave', () =>
  withAgentNode(async ({ agent }) => {
    const { port } = new URL(urlOf(agent, '/'));
    const clients: Socket[] = [];
    let isOver = false;
    const flood = (async () => {
      while (!isOver) {
        const client = connect(Number(port), '127.0.0.1').on('error', () => {});
        client.write('GET /metrics HTTP/1.1\r\n\r\n'.repeat(100));
        clients.push(client);
        await sleep(1);
      }
    })();
    for (let i = 0; i < 20; i++) await isAlive(agent);
    isOver = true;
    await flood;
    for (const client of clients) client.destroy();
    await until('the agent has closed them', async () => (await page(agent, '/healthz')).status === 200);

    const staying = Array.from({ length: 15 }, () =>
      connect({ path: `${agent.socket}.live`, allowHalfOpen: true })
        .on('error', () => {})
        .resume(),
    );
    await until('they are connected', () => staying.every(({ connecting }) => !connecting));
    await isAlive(agent);
    await until('they are disconnected', () => staying.every((one) => one.readableEnded || one.closed));
    for (const one of staying) one.destroy();
  }));

test('an agent that takes over also replaces the socket for liveness', () =>
  withAgentNode(async (node) => {
    const second = await node.start();
    await isAlive(second);
    node.agent.kill('SIGSTOP');
    await until('the first is stopped', () => isStopped(node.agent));
    await isAlive(second);
    node.agent.kill('SIGCONT');
    await second.stop();
  }));

test('a thread that does not come back fails liveness and counts, until it does; calls of others go on', () =>
  withTrap((trap) =>
    withAgentNode(
      ({ agent, ...node }) =>
        withPod('eth0', (pod) =>
          withPod('eth0', async (other) => {
            const overdue = async () => (await metricsOf(agent)).value('tapwire_overdue_threads');
            trap.set('change', 'hold');
            const calling = node.call('ADD', pod, { fallback: false });
            await trap.reached();
            await isAlive(agent);
            assert.is(await overdue(), 0, 'at first, it is in time');
            const message = 'Cannot go on: 1 thread has waited for the kernel for more than 40 s';
            await untilIs('liveness fails', () => probe(agent), [1, message]);
            assert.equal(await freshPage(agent, '/healthz'), { status: 503, text: `${message}\n` });
            assert.is(await overdue(), 1);
            for (const command of ['ADD', 'DEL'])
              succeeded(await node.call(command, other, { fallback: false }), command);
            trap.release();
            await calling;
            await isAlive(agent);
            assert.is(await overdue(), 0);
            assert.is((await page(agent, '/healthz')).status, 200);
            succeeded(await node.call('DEL', pod));
          }),
        ),
      { env: trap.env },
    ),
  ));

test.run();
