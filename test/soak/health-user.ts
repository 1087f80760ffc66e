/**
 * A user of the node without any rights, at the port of health and metrics: silent clients, bursts
 * of requests, bodies, and headers that never end. Runs until it is killed.
 *
 * Usage: health-user.ts PORT
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [, , port] = process.argv;
/** Pause between two clients in ms, so that this user does not simply take the CPU. */
const PAUSE = 5;
/** How long a client stays, in ms. */
const STAY = 2000;
const GET = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';

const REQUESTS = [
  '',
  GET,
  GET.repeat(10_000),
  `POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n${'x'.repeat(100_000)}`,
  `GET /readyz HTTP/1.1\r\n${'X: y\r\n'.repeat(10_000)}`,
];

for (;;) {
  const client = connect(Number(port), '127.0.0.1').on('error', () => {});
  client.write(REQUESTS[Math.floor(Math.random() * REQUESTS.length)] ?? '');
  client.pause();
  setTimeout(() => client.destroy(), Math.random() * STAY);
  await sleep(PAUSE);
}
