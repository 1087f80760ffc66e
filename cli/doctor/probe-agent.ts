import { lstatSync } from 'node:fs';
import { connect } from 'node:net';
import { HELLO } from '../../daemonset/calls/frame.ts';
import { HEALTH_ADDRESS, SOCKET } from '../../daemonset/options.ts';
import { messageOf } from '../../shared/errors.ts';
import type { AgentFacts } from './facts.ts';

/** An agent says hello at once, unless its node is very busy. */
const TIMEOUT = 5_000; // ms

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
  };
}

/** Takes the hello and goes: to the agent that is a caller who changed its mind. */
function failureOfHello(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (failure: string | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(failure);
    };
    const timer = setTimeout(() => end(`it has said nothing for ${TIMEOUT / 1000} s`), TIMEOUT);
    let heard = Buffer.alloc(0);
    socket.on('data', (data) => {
      heard = Buffer.concat([heard, data]);
      if (heard.length < HELLO.length) return;
      end(heard.equals(HELLO) ? null : 'it speaks another protocol; install agent and plugin of one version');
    });
    socket.on('error', (error) => end(messageOf(error)));
    socket.on('end', () => end('it hangs up'));
  });
}

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
