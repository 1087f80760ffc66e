/** Only root may connect to the agent. */

import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, lstatSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { native } from '../../shared/native/native.ts';
import { startAgent } from '../helpers/agent/agent.ts';
import {
  metricsOf,
  succeeded,
  until,
  untilIs,
  withAgentNode,
  withEmptyNode,
} from '../helpers/agent/agent-node.ts';
import { frame, variablesOf, withSender } from '../helpers/agent/sender.ts';
import { treeOf } from '../helpers/cluster/install.ts';
import { environmentOf } from '../helpers/plugin/cni.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';
import { withPod } from '../helpers/pod/netns.ts';

const test = suite('access to the agent');

const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
const VERSION = frame(variablesOf(environmentOf('VERSION', { netns: '' })), '{"cniVersion":"1.0.0"}');
const modeOf = (path: string): number => lstatSync(path).mode & 0o7777;

test('the socket and its directory are accessible only to root', () =>
  withDirectory(async (directory) => {
    const socket = join(directory, 'run/tapwire/agent.sock');
    const agent = await startAgent({ socket, nodeFile: '/nonexistent' });
    assert.equal([modeOf(join(directory, 'run/tapwire')), modeOf(socket)], [0o700, 0o600]);
    await agent.stop();
  }));

test('a client that is not root cannot reach the socket; where it can, the agent rejects it before it sends anything', () =>
  withEmptyNode(async (node) => {
    const agent = await node.start();
    chmodSync(node.directory, 0o700);
    // The sender lies in a directory of its own, which other users may search.
    await withDirectory((shared) =>
      withSender(
        node.socket,
        async (sender) => {
          const refused = (reason: RegExp) =>
            sender.send('read', VERSION, 'read:/proc/self/ns/net').then(
              () => assert.unreachable('it must not connect'),
              (error) => assert.match(error.message, reason),
            );
          chmodSync(shared, 0o755);
          await refused(/connect: Permission denied/);
          chmodSync(node.directory, 0o755);
          await refused(/connect: Permission denied/);
          chmodSync(node.socket, 0o666);
          assert.is(await sender.send('read', VERSION, 'read:/proc/self/ns/net'), null);
          const turnedAway = async () =>
            (await metricsOf(agent)).value('tapwire_cni_callers_turned_away_total', { reason: 'not root' });
          assert.is(await turnedAway(), 1);
        },
        NOBODY,
      ),
    );
    await withPod('eth0', async (pod) => {
      succeeded(await node.call('ADD', pod));
      succeeded(await node.call('DEL', pod));
    });
    await agent.stop();
  }));

test('a client that leaves to wait for the lock of its pod counts as one without a request', () =>
  withAgentNode(async ({ agent, call }) =>
    withPod('eth0', async (pod) => {
      const count = async (reason: string) =>
        (await metricsOf(agent)).value('tapwire_cni_callers_turned_away_total', { reason });
      const fd = openSync(pod.path, 'r');
      assert.ok(native.tryLock(fd));
      const { exitCode, stdout } = await call('ADD', pod, { timeScale: 100 });
      assert.equal([exitCode, JSON.parse(stdout).code], [1, 11]);
      assert.equal([await count('no request'), await count('left'), await count('broken')], [1, 0, 0]);

      const adding = call('ADD', pod);
      await until('it waits', async () => (await count('no request')) === 2);
      closeSync(fd);
      succeeded(await adding, 'ADD');
      succeeded(await call('DEL', pod), 'DEL');
      assert.equal([await count('no request'), await count('left'), await count('broken')], [2, 0, 0]);
    }),
  ));

test('a client that leaves after the hello has made no request, and one that leaves in its middle has left', () =>
  withAgentNode(async ({ agent, socket }) => {
    const count = async (reason: string) =>
      (await metricsOf(agent)).value('tapwire_cni_callers_turned_away_total', { reason });
    for (const [bytes, reason] of [
      [VERSION.subarray(0, 0), 'no request'],
      [VERSION.subarray(0, 20), 'left'],
    ] as const) {
      const client = connect(socket);
      await once(client, 'data');
      client.end(bytes);
      await untilIs(`it counts as "${reason}"`, () => count(reason), 1);
    }
    assert.equal([await count('no request'), await count('left'), await count('broken')], [1, 1, 0]);
  }));

for (const [what, change] of [
  ['that its group can write to', (path: string) => chmodSync(path, 0o770)],
  ['that everyone can write to', (path: string) => chmodSync(path, 0o1777)],
  ['that another user owns', (path: string) => chownSync(path, 65534, 0)],
] as const) {
  test(`the agent rejects a directory ${what}`, () =>
    withDirectory(async (directory) => {
      const inside = join(directory, 'inside');
      mkdirSync(inside);
      change(inside);
      const socket = join(inside, 'agent.sock');
      const failure = await startAgent({ socket, nodeFile: '/nonexistent' }).then(
        (agent) => agent.stop().then(() => ''),
        (error) => error.message,
      );
      assert.match(failure, /exit status 1\)/);
      const reason = `Cannot listen at \\"${socket}\\": \\"${inside}\\" must belong to this user and not be writable by others`;
      assert.ok(failure.includes(reason), failure);
    }));
}

for (const [what, make] of [
  ['file', (path: string) => writeFileSync(path, 'kept')],
  ['directory', (path: string) => mkdirSync(path)],
] as const) {
  test(`the agent rejects a ${what} in place of the socket and leaves it unchanged`, () =>
    withDirectory(async (directory) => {
      const socket = join(directory, 'agent.sock');
      make(socket);
      const before = treeOf(directory);
      const failure = await startAgent({ socket, nodeFile: '/nonexistent' }).then(
        (agent) => agent.stop().then(() => ''),
        (error) => error.message,
      );
      const reason = `it is a ${what}, not a socket; choose another path with --socket`;
      assert.ok(failure.includes(`Cannot listen at \\"${socket}\\": ${reason}`), failure);
      assert.equal(treeOf(directory), before);
    }));
}

test.run();
