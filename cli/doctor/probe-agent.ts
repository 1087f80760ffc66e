import { lstatSync } from 'node:fs';
import { connect } from 'node:net';
import { HELLO } from '../../daemonset/calls/frame.ts';
import { HEALTH_ADDRESS, SOCKET } from '../../daemonset/options.ts';
import { messageOf } from '../../shared/errors.ts';
import type { AgentFacts } from './facts.ts';
import { offeredDevices } from './parse-macvtap.ts';

/**
 * Longest wait for the agent's hello, in ms. An agent sends it at once, unless the node is very
 * busy.
 */
const TIMEOUT = 5_000;

export async function probeAgent(): Promise<AgentFacts> {
  const isThere = lstatSync(SOCKET, { throwIfNoEntry: false }) !== undefined;
  const [failure, ready, metrics] = await Promise.all([
    isThere ? failureOfHello(SOCKET) : null,
    ask('/readyz'),
    ask('/metrics'),
  ]);
  return {
    socket: SOCKET,
    isThere,
    failure,
    health: HEALTH_ADDRESS,
    ready: ready && { isReady: ready.status === 200, text: ready.text.trim() },
    version: /^tapwire_build_info\{version="([^"]+)"/m.exec(metrics?.text ?? '')?.[1] ?? null,
    offered: offeredDevices(metrics?.text ?? ''),
  };
}

/**
 * Reads the agent's hello and closes the connection, which the agent takes for a client that
 * changed its mind. Null on success.
 */
function failureOfHello(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (failure: string | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(failure);
    };
    const timer = setTimeout(() => end(`it sent no hello within ${TIMEOUT / 1000} s`), TIMEOUT);
    let heard = Buffer.alloc(0);
    socket.on('data', (data) => {
      heard = Buffer.concat([heard, data]);
      if (heard.length < HELLO.length) return;
      end(
        heard.equals(HELLO)
          ? null
          : 'it speaks another protocol; install agent and plugin of the same version',
      );
    });
    socket.on('error', (error) => end(messageOf(error)));
    socket.on('end', () => end('it closed the connection'));
  });
}

/** Calls an HTTP endpoint of the agent. Null without a response. */
async function ask(endpoint: string): Promise<{ readonly status: number; readonly text: string } | null> {
  try {
    const response = await fetch(`http://${HEALTH_ADDRESS}${endpoint}`, {
      signal: AbortSignal.timeout(TIMEOUT),
    });
    return { status: response.status, text: await response.text() };
  } catch {
    return null;
  }
}
