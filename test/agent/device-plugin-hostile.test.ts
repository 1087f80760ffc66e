/** The sockets of the device plugin against clients that misbehave, which only root can be. */
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Agent } from '../helpers/agent/agent.ts';
import { descriptorCount, until } from '../helpers/agent/agent-node.ts';
import {
  type DeviceNode,
  isHealthy,
  isUnhealthy,
  known,
  LAN,
  LAN_NAME,
  withDevices,
} from '../helpers/agent/device-node.ts';
import { call, dial, type Kubelet } from '../helpers/cluster/kubelet.ts';
import { http2Frame, rawCall, speak, speakHttp2 } from '../helpers/sidecar/raw-http2.ts';

const test = suite('hostile clients of the device plugin');

const SERVICE = '/v1beta1.DevicePlugin';
/** The agent closes the oldest connection beyond these. */
const MAX_CONNECTIONS = 8;
const pod = (name: string) => ({ namespace: 'vms', name });

interface Attack extends DeviceNode {
  readonly kubelet: Kubelet;
  readonly agent: Agent;
  readonly socket: string;
  /** Asserts that kubelet gets a device, in the end. */
  isServed(): Promise<void>;
}

const attacked = (act: (attack: Attack) => Promise<void>): Promise<void> =>
  withDevices([LAN], async (node) => {
    const socket = join(node.kubeletDirectory, 'device-plugins/tapwire.io_lan.sock');
    let served = 0;
    await act({
      ...node,
      socket,
      async isServed() {
        served += 1;
        await until('kubelet gets a device', async () => {
          await known(node.kubelet, LAN_NAME, isHealthy);
          return node.kubelet.allocate(pod(`vm${served}`), LAN_NAME).then(
            () => true,
            () => false,
          );
        });
        node.kubelet.forget(pod(`vm${served}`));
      },
    });
    await known(node.kubelet, LAN_NAME, isHealthy);
    assert.ok(node.agent.isRunning());
  });

test('bytes that are not HTTP/2, and frames that are not gRPC, end only their connection', () =>
  attacked(async ({ socket, kubelet, isServed }) => {
    const sockets = await Promise.all([
      speak(socket, Buffer.alloc(100_000, 'x')),
      speak(socket, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')),
      speak(socket, Buffer.alloc(100_000)),
      speakHttp2(socket, http2Frame(1, 4, 1, Buffer.alloc(200, 0xff))),
      speakHttp2(socket, http2Frame(0, 0, 7, Buffer.alloc(10)), http2Frame(99, 255, 0, Buffer.alloc(8))),
    ]);
    for (const raw of sockets) raw.destroy();
    const statusOf = async (path: string, body: Buffer, headers = {}) =>
      (await rawCall(socket, { ':path': `${SERVICE}/${path}`, ...headers }, body)).headers['grpc-status'];
    const message = (bytes: Buffer) => {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(bytes.length, 1);
      return Buffer.concat([head, bytes]);
    };
    assert.is(await statusOf('Allocate', message(Buffer.from('ffffffff', 'hex'))), '3');
    assert.is(await statusOf('Nothing', message(Buffer.alloc(0))), '12');
    assert.is(await statusOf('Allocate', message(Buffer.alloc(1024 * 1024))), '8', 'too large');
    const lies = Buffer.concat([Buffer.from('00ffffffff', 'hex'), Buffer.alloc(100)]);
    assert.is(await statusOf('Allocate', lies), '8', 'announces 4 GiB');
    await statusOf('Allocate', Buffer.from('0100000003616263', 'hex'), { 'grpc-encoding': 'gzip' });
    await statusOf('Allocate', Buffer.alloc(3), { 'grpc-timeout': 'soon' });
    await isServed();
    assert.is(kubelet.registrations.length, 1, 'kubelet was not disturbed');
  }));

test('Allocate of devices that do not exist fails, however many and however long they are', () =>
  attacked(async ({ socket, agent, isServed }) => {
    const client = dial(socket);
    try {
      for (const ids of [
        ['lan-1'],
        ['../../../dev/sda'],
        ['\0'],
        ['x'.repeat(100_000)],
        Array(5000).fill(''),
      ]) {
        const error = await call(client, 'Allocate', { containerRequests: [{ devicesIds: ids }] }).then(
          () => assert.unreachable('it succeeds'),
          (thrown) => thrown,
        );
        assert.is(error.code, status.INVALID_ARGUMENT);
        assert.match(
          error.details,
          /^Cannot allocate device "[^"]{0,80}": "tapwire.io\/lan" has no such device/,
        );
      }
      const many = { containerRequests: Array(10_000).fill({ devicesIds: [] }) };
      const { containerResponses } = await call<{ containerResponses: unknown[] }>(client, 'Allocate', many);
      assert.is(containerResponses.length, 10_000);
      const choice = { availableDeviceIds: Array(5000).fill('x'), allocationSize: 2 ** 31 - 1 };
      await call(client, 'GetPreferredAllocation', { containerRequests: [choice] });
    } finally {
      client.close();
    }
    assert.not.match(agent.log(), 'Internal error');
    await isServed();
  }));

test('silent clients take few descriptors, and kubelet gets through in the end', () =>
  attacked(async ({ socket, agent, kubelet, isServed }) => {
    const before = descriptorCount(agent);
    const sockets: Socket[] = [];
    const most: number[] = [];
    for (let i = 0; i < 300; i++) {
      const raw = createConnection(socket);
      raw.on('error', () => {});
      raw.resume();
      sockets.push(raw);
      if (i % 50 !== 0) continue;
      await sleep(50);
      most.push(descriptorCount(agent));
    }
    assert.ok(Math.max(...most) < before + 40, `${most} descriptors, ${before} before`);
    await isServed();
    await kubelet.stop();
    await kubelet.start();
    await isServed();
    for (const raw of sockets) raw.destroy();
  }));

test('clients that keep streams open and do not read get only the latest list, and kubelet keeps up', () =>
  attacked(async ({ agent, socket, netns, kubelet, isServed, offer }) => {
    const before = descriptorCount(agent);
    const headers = http2Frame(
      1,
      4,
      1,
      // Literal header fields without indexing (RFC 7541 §6.2.2).
      Buffer.concat(
        Object.entries({
          ':method': 'POST',
          ':scheme': 'http',
          ':path': `${SERVICE}/ListAndWatch`,
          ':authority': 'localhost',
          'content-type': 'application/grpc',
          te: 'trailers',
        }).map(([name, value]) =>
          Buffer.concat([
            Buffer.of(0, name.length),
            Buffer.from(name),
            Buffer.of(value.length),
            Buffer.from(value),
          ]),
        ),
      ),
    );
    const watch = () => speakHttp2(socket, headers, http2Frame(0, 1, 1, Buffer.alloc(5)));
    const sockets = await Promise.all(Array.from({ length: 7 }, watch));
    await until('their streams have displaced that of kubelet', () => kubelet.registrations.length > 1);
    offer({ ...LAN, capacity: 1024 });
    for (let i = 0; i < 20; i++) {
      await netns.ip(`link set eth1 ${i % 2 === 0 ? 'down' : 'up'}`);
      await known(kubelet, LAN_NAME, i % 2 === 0 ? isUnhealthy : isHealthy);
    }
    await isServed();
    for (const raw of sockets) raw.destroy();
    // kubelet keeps a connection for each registration whose stream it has lost.
    await until('only kubelet is connected', () => descriptorCount(agent) <= before + MAX_CONNECTIONS);
    agent.accept();
  }));

test.run();
