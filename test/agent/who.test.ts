/** Who may speak to the agent: root, and nobody else. */
import { chmodSync, chownSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startAgent } from '../helpers/agent.ts';
import { metricsOf, succeeded, withEmptyNode } from '../helpers/agent-node.ts';
import { environmentOf } from '../helpers/cni.ts';
import { treeOf } from '../helpers/install.ts';
import { withPod } from '../helpers/netns.ts';
import { frame, variablesOf, withSender } from '../helpers/sender.ts';
import { withFolder } from '../helpers/shim.ts';

const test = suite('who may speak to the agent');

const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
const VERSION = frame(variablesOf(environmentOf('VERSION', { netns: '' })), '{"cniVersion":"1.0.0"}');
const modeOf = (path: string): number => lstatSync(path).mode & 0o7777;

test('its folder and its socket are for root alone', () =>
  withFolder(async (folder) => {
    const socket = join(folder, 'run/tapwire/agent.sock');
    const agent = await startAgent({ socket, nodeFile: '/nonexistent' });
    assert.equal([modeOf(join(folder, 'run/tapwire')), modeOf(socket)], [0o700, 0o600]);
    await agent.stop();
  }));

test('another user does not get there; where it does, it is turned away before it can say anything', () =>
  withEmptyNode(async (node) => {
    const agent = await node.start();
    chmodSync(node.folder, 0o700);
    // The sender lies in a folder of its own, which others may search.
    await withFolder((shared) =>
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
          chmodSync(node.folder, 0o755);
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

for (const [what, change] of [
  ['that its group may write to', (path: string) => chmodSync(path, 0o770)],
  ['that all may write to', (path: string) => chmodSync(path, 0o1777)],
  ["that is somebody else's", (path: string) => chownSync(path, 65534, 0)],
] as const) {
  test(`a folder ${what} is refused`, () =>
    withFolder(async (folder) => {
      const inside = join(folder, 'inside');
      mkdirSync(inside);
      change(inside);
      const socket = join(inside, 'agent.sock');
      const failure = await startAgent({ socket, nodeFile: '/nonexistent' }).then(
        (agent) => agent.stop().then(() => ''),
        (error) => error.message,
      );
      assert.match(failure, /exit status 1\)/);
      const reason = `Cannot listen at \\"${socket}\\": \\"${inside}\\" must belong to this user and be writable by no other`;
      assert.ok(failure.includes(reason), failure);
    }));
}

for (const [what, make] of [
  ['file', (path: string) => writeFileSync(path, 'kept')],
  ['folder', (path: string) => mkdirSync(path)],
] as const) {
  test(`a ${what} in the socket's place is refused, and stays as it is`, () =>
    withFolder(async (folder) => {
      const socket = join(folder, 'agent.sock');
      make(socket);
      const before = treeOf(folder);
      const failure = await startAgent({ socket, nodeFile: '/nonexistent' }).then(
        (agent) => agent.stop().then(() => ''),
        (error) => error.message,
      );
      const reason = `it is a ${what}, not a socket; choose another path with --socket`;
      assert.ok(failure.includes(`Cannot listen at \\"${socket}\\": ${reason}`), failure);
      assert.equal(treeOf(folder), before);
    }));
}

test.run();
