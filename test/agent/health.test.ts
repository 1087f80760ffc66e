/** The agent's HTTP endpoints: /healthz, /readyz and /metrics. */
import { once } from 'node:events';
import { readFileSync, unlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  freshPage,
  metricsOf,
  page,
  succeeded,
  until,
  untilIs,
  urlOf,
  withAgentNode,
  withEmptyNode,
  within,
} from '../helpers/agent/agent-node.ts';
import { sharedNode, withTrap } from '../helpers/agent/trap.ts';
import { withPod } from '../helpers/pod/netns.ts';

const test = suite("the agent's endpoints");
const ourNode = sharedNode();

const CONF = { prevResult: { cniVersion: '1.0.0' } };

test('/healthz and /readyz reply ok; other paths and methods are not found', async () => {
  const { agent } = await ourNode();
  for (const path of ['/healthz', '/readyz', '/healthz?verbose']) {
    const { status, text } = await page(agent, path);
    assert.equal([status, text], [200, 'ok\n'], path);
  }
  for (const path of ['/', '/health', '/healthz/', '/constructor', '/__proto__', '/metrics/x', '//healthz']) {
    const { status, text } = await page(agent, path);
    assert.equal([status, text], [404, 'Endpoints: /healthz, /readyz, /metrics\n'], path);
  }
  const posted = await fetch(urlOf(agent, '/healthz'), { method: 'POST', body: 'x' });
  assert.is(posted.status, 404);
});

test('the endpoints are reachable only from this node', async () => {
  const { agent } = await ourNode();
  const { port } = new URL(urlOf(agent, '/'));
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // Other tests create and delete links meanwhile.
    .filter(({ internal, scopeid }) => !internal && !scopeid);
  for (const { address } of others) {
    const caller = connect({ host: address, port: Number(port) });
    const outcome = await Promise.race([once(caller, 'connect'), once(caller, 'error')]).catch((e) => [e]);
    caller.destroy();
    assert.match(String(outcome[0]), /ECONNREFUSED|EADDRNOTAVAIL|EINVAL/, address);
  }
  const inode = (await execa('ss', ['-Htln', `sport = :${port}`])).stdout;
  assert.match(inode, /127\.0\.0\.1:/);
  assert.is(inode.trim().split('\n').length, 1);
});

test('an agent whose socket another agent takes over reports it on /readyz and in the log, also after the other has exited', () =>
  withEmptyNode(async (node) => {
    const first = await node.start();
    assert.is((await page(first, '/readyz')).status, 200);
    const second = await node.start();
    const message = `Cannot serve clients at "${node.socket}": another process has replaced or removed this socket; stop all agents on this node and start one`;
    const notReady = { status: 503, text: `${message}\n` };
    assert.equal(await freshPage(first, '/readyz'), notReady);
    assert.equal(await page(second, '/readyz'), { status: 200, text: 'ok\n' });
    assert.is((await page(first, '/healthz')).status, 200);
    await second.stop();
    assert.equal(await page(first, '/readyz'), notReady);
    const said = () => first.log().split(JSON.stringify(message)).length - 1;
    await until('it is logged', () => said() > 0);
    unlinkSync(node.socket);
    assert.equal(await page(first, '/readyz'), notReady);
    await first.stop();
    assert.is(said(), 1, 'logged once');
    assert.not.match(second.log(), 'Cannot hear');
  }));

test('/readyz reports what the node lacks once it is missing; /healthz stays ok and the agent keeps running', () =>
  withEmptyNode((node) =>
    withPod('eth0', async (pod) => {
      const agent = await node.start({ under: ['unshare', '--mount', '--propagation', 'private', '--'] });
      const inside = (...words: string[]) =>
        execa('nsenter', ['--mount', '--target', String(agent.pid), '--', ...words]);
      assert.is((await page(agent, '/readyz')).status, 200);
      await inside('mount', '-t', 'tmpfs', 'none', '/dev/net');
      const { status, text } = await freshPage(agent, '/readyz');
      assert.is(status, 503);
      assert.match(text, /^Cannot wire pods on this node: .*\/dev\/net\/tun: No such file or directory;/);
      assert.is((await page(agent, '/healthz')).status, 200);
      const { exitCode, stdout } = await node.call('ADD', pod, { fallback: false });
      assert.is(exitCode, 1);
      assert.match(JSON.parse(stdout).msg, /\/dev\/net\/tun: No such file or directory/);
      await inside('umount', '/dev/net');
      assert.is((await freshPage(agent, '/readyz')).status, 200);
      succeeded(await node.call('ADD', pod, { fallback: false }));
      succeeded(await node.call('DEL', pod, { fallback: false }));
      await agent.stop();
    }),
  ));

test('an agent on a node that can wire no pods reports it and serves its endpoints', () =>
  withEmptyNode(async (node) => {
    const hide = 'mount -t tmpfs none /dev/net && exec "$@"';
    const agent = await node.start({
      under: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', hide, 'sh'],
    });
    assert.match(agent.log(), /"level":"error","message":"Cannot wire pods on this node: .*\/dev\/net\/tun/);
    assert.is((await page(agent, '/readyz')).status, 503);
    assert.is((await page(agent, '/healthz')).status, 200);
    await agent.stop();
  }));

test("an agent that may not create a netns reports the kernel's error", () =>
  withEmptyNode(async (node) => {
    const agent = await node.start({ under: ['setpriv', '--bounding-set=-sys_admin', '--'] });
    assert.match(agent.log(), '"Cannot wire pods on this node: unshare: Operation not permitted"');
    await agent.stop();
  }));

test('/metrics follows the Prometheus format and counts the calls', () =>
  withTrap((trap) =>
    withAgentNode(
      (node) =>
        withPod('eth0', async (pod) => {
          const { agent } = node;
          const { version } = JSON.parse(
            readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
          );
          const fresh = await metricsOf(agent);
          const types = Object.fromEntries([...fresh.families].map(([name, { type }]) => [name, type]));
          assert.equal(types, {
            tapwire_build_info: 'gauge',
            tapwire_overdue_threads: 'gauge',
            tapwire_cni_requests_total: 'counter',
            tapwire_cni_request_duration_seconds: 'histogram',
            tapwire_cni_requests_in_flight: 'gauge',
            tapwire_cni_held_descriptors: 'gauge',
            tapwire_cni_rollbacks_total: 'counter',
            tapwire_cni_callers_turned_away_total: 'counter',
            tapwire_log_lines_dropped_total: 'counter',
            tapwire_device_allocations_total: 'counter',
            tapwire_device_nodes_repaired_total: 'counter',
            tapwire_devices: 'gauge',
          });
          assert.equal(fresh.families.get('tapwire_build_info')?.samples[0]?.labels['version'], version);
          assert.is(fresh.value('tapwire_build_info'), 1);
          assert.is(fresh.value('tapwire_cni_requests_total'), 0, 'warming up does not count as a request');
          assert.is(fresh.value('tapwire_cni_rollbacks_total'), 0);

          let calls = 0;
          const call: typeof node.call = (...args) => {
            calls += 1;
            return node.call(...args);
          };
          succeeded(await call('ADD', pod));
          succeeded(await call('CHECK', pod, { conf: CONF }));
          succeeded(await call('DEL', pod));
          succeeded(await call('DEL', pod));
          succeeded(await call('STATUS', pod, { conf: { cniVersion: '1.1.0' } }));
          succeeded(await call('GC', pod, { conf: { cniVersion: '1.1.0' } }));
          succeeded(await call('VERSION', pod));
          assert.is((await call('ADD', pod, { conf: { binding: 'none' } })).exitCode, 1); // code 7
          assert.is((await call('CHECK', pod)).exitCode, 1); // no prevResult
          assert.is((await call('SOMETHING\n"\\', pod)).exitCode, 1); // code 4
          trap.set('change', 28); // ENOSPC
          const failed = await call('ADD', pod);
          assert.is(failed.exitCode, 1);
          const failedCode = String(JSON.parse(failed.stdout).code);

          await untilIs(
            'all calls are counted',
            async () => (await metricsOf(agent)).value('tapwire_cni_requests_total'),
            calls,
          );
          const metrics = await metricsOf(agent);
          const requests = (command: string, code?: string) =>
            metrics.value('tapwire_cni_requests_total', code === undefined ? { command } : { command, code });
          assert.equal(
            ['ADD', 'CHECK', 'DEL', 'STATUS', 'GC', 'VERSION'].map((command) => requests(command, '0')),
            [1, 1, 2, 1, 1, 1],
          );
          assert.equal(
            [
              requests('ADD', '7'),
              requests('ADD', failedCode),
              requests('CHECK', '7'),
              requests('unknown', '4'),
            ],
            [1, 1, 1, 1],
          );
          assert.is(metrics.value('tapwire_cni_rollbacks_total'), 1);
          assert.is(metrics.value('tapwire_cni_requests_in_flight'), 0);
          assert.is(metrics.value('tapwire_cni_held_descriptors'), 0);

          const duration = 'tapwire_cni_request_duration_seconds';
          const del = { command: 'DEL' };
          assert.is(metrics.value(`${duration}_count`, del), 2);
          assert.is(metrics.value(`${duration}_bucket`, { ...del, le: '+Inf' }), 2);
          assert.ok(metrics.value(`${duration}_sum`, del) > 0);
          const buckets = metrics.families
            .get(duration)
            ?.samples.filter(({ name, labels }) => name.endsWith('_bucket') && labels['command'] === 'DEL')
            .map(({ value }) => value);
          assert.equal(
            buckets,
            [...(buckets ?? [])].sort((a, b) => a - b),
            'buckets add up',
          );

          trap.set('change', 'hold');
          const calling = node.call('ADD', pod);
          await trap.reached();
          const during = await metricsOf(agent);
          assert.equal(
            [during.value('tapwire_cni_requests_in_flight'), during.value('tapwire_cni_held_descriptors')],
            [1, 2],
          );
          trap.release();
          succeeded(await calling);
          succeeded(await node.call('DEL', pod));
        }),
      { env: trap.env },
    ),
  ));

test('HTTP clients that send slowly or not at all are disconnected and do not delay CNI calls', () =>
  withPod('eth0', async (pod) => {
    const node = await ourNode();
    const { agent } = node;
    const { port } = new URL(urlOf(agent, '/'));
    const callers: Socket[] = [];
    for (let i = 0; i < 200; i++) {
      const caller = connect(Number(port), '127.0.0.1');
      caller.on('error', () => {});
      caller.resume();
      caller.write(i % 2 === 0 ? 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ' : '');
      callers.push(caller);
    }
    succeeded(await within('ADD', node.call('ADD', pod, { fallback: false })));
    succeeded(await within('DEL', node.call('DEL', pod, { fallback: false })));
    // Each takes the place of the client that has waited longest.
    for (const path of ['/healthz', '/readyz', '/metrics'])
      assert.is((await within(path, page(agent, path))).status, 200, path);
    await until('all are disconnected', () => callers.every(({ closed }) => closed)); // after 5 s
    for (const caller of callers) caller.destroy();
  }));

test.run();
