/**
 * Tapwire in a chain with Debian's CNI plugins: one of them creates the pod link, Tapwire wires it,
 * tuning changes it. Whatever fails, each plugin finds what it created, and DEL of the chain leaves
 * the node and the pod as they were.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import {
  type Attach,
  dumpNode,
  type Invocation,
  type Json,
  type NetworkList,
  openRuntime,
  type Plugin,
  type Runtime,
  type RuntimeOptions,
  type TestNode,
  withNode,
  withSandbox,
} from '../helpers/cluster/cni-runtime.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, passtSysctls, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('chains with other CNI plugins');
const test = inOneWay(everyWay);

const POD_LINK = hashedPodIfname('red');
const TAP = secondaryTapIfname(POD_LINK);
const TUNED = { mac: '02:00:00:00:00:77', mtu: 1450 };

/**
 * Configurations of the plugins that create pod links. Each leaves room for tuning to raise the
 * MTU.
 */
const NEIGHBOURS: Readonly<Record<string, Plugin>> = {
  bridge: { type: 'bridge', bridge: 'cni0', mtu: 1400 },
  macvlan: { type: 'macvlan', master: 'uplink0', mode: 'bridge', mtu: 1400 },
  ptp: { type: 'ptp', mtu: 1400 },
  'host-device': { type: 'host-device', device: 'nic0' },
};

const addressing = (node: TestNode) => ({
  ipam: {
    type: 'host-local',
    dataDir: `${node.directory}/leases`,
    ranges: [[{ subnet: '198.51.100.0/24' }], [{ subnet: '2001:db8:5::/64' }]],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '203.0.113.0/24', gw: '198.51.100.1' }, { dst: '::/0' }],
  },
  dns: {
    nameservers: ['198.51.100.53'],
    domain: 'vms.test',
    search: ['vms.test', 'test'],
    options: ['ndots:5'],
  },
});

const tuning = (node: TestNode, conf: Readonly<Record<string, unknown>>): Plugin => ({
  type: 'tuning',
  dataDir: `${node.directory}/tuning`,
  ...conf,
});

/** A chain on a node, the pod that it is called for, and the state of both before. */
interface Chain {
  readonly runtime: Runtime;
  readonly list: NetworkList;
  readonly attach: Attach;
  readonly node: TestNode;
  readonly pod: TestNetns;
  /** The chain without Tapwire. */
  readonly neighbours: NetworkList;
  /** Fails unless node and pod are as before. */
  readonly sameAsBefore: () => Promise<void>;
  /** Tapwire's calls so far. */
  readonly ours: () => readonly Invocation[];
}

interface ChainOptions {
  readonly neighbour: string;
  readonly cniVersion?: string;
  readonly ifname?: string;
  /** Keys of Tapwire's configuration. */
  readonly conf?: Readonly<Record<string, unknown>>;
  readonly after?: (node: TestNode) => readonly Plugin[];
  readonly nodeFile?: RuntimeOptions['nodeFile'];
}

function withChain(options: ChainOptions, act: (chain: Chain) => Promise<void>): Promise<void> {
  const { neighbour, cniVersion = '1.0.0', ifname = POD_LINK, conf = {}, nodeFile } = options;
  const after = options.after ?? ((node) => [tuning(node, TUNED)]);
  return withNode((node) =>
    withSandbox(async (pod) => {
      await node.netns.ip('link set nic0 mtu 1400');
      const runtime = openRuntime({ node, ...(nodeFile === undefined ? {} : { nodeFile }) });
      const first = { ...NEIGHBOURS[neighbour], ...addressing(node) } as Plugin;
      const neighbours = { cniVersion, name: 'lan', plugins: [first] };
      const list = { ...neighbours, plugins: [first, { type: 'tapwire', ...conf }, ...after(node)] };
      const attach = { containerId: 'pod1', netns: pod.path, ifname };

      const [nodeBefore, podBefore] = [await dumpNode(node), await dumpNetns(pod)];
      const sameAsBefore = async () => {
        sameNetns(await dumpNode(node), nodeBefore, 'the node is as it was');
        sameNetns(await dumpNetns(pod), podBefore, 'the pod is as it was');
        assert.equal(node.leases(), [], 'every address is given back');
      };
      const ours = () => runtime.calls.filter(({ type }) => type === 'tapwire');
      await act({ runtime, list, attach, node, pod, neighbours, sameAsBefore, ours });
    }),
  );
}

/** Returns the message of the error that a call fails with. */
const failure = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => assert.unreachable('the call succeeded') as never,
    (error: Error) => error.message,
  );

/** Returns the result of a plugin's last ADD. */
function resultOf(runtime: Runtime, type: string): Json {
  const call = runtime.calls.findLast((one) => one.type === type && one.command === 'ADD');
  assert.ok(call, `${type} was called`);
  return JSON.parse(call.stdout);
}

const withTunedMac = (result: Json, ifname: string): Json => ({
  ...result,
  interfaces: result.interfaces.map((entry: Json) =>
    entry.name === ifname ? { ...entry, mac: TUNED.mac } : entry,
  ),
});

async function linkOf(pod: TestNetns, ifname: string): Promise<Json> {
  const [link] = JSON.parse(await pod.ip(`-d -j link show dev ${ifname}`));
  return link;
}

/**
 * Host-device's DEL fails if its link is gone: a bug of its own (containernetworking/plugins
 * 1.1.1).
 */
async function delAgain({ runtime, list, attach, ours }: Chain): Promise<void> {
  const isHostDevice = list.plugins[0]?.type === 'host-device';
  const error = isHostDevice ? await failure(runtime.del(list, attach)) : await runtime.del(list, attach);
  const own = `plugin type="host-device" failed (delete): failed to find "${attach.ifname}": Link not found`;
  assert.is(error, isHostDevice ? own : undefined);
  assert.is(ours().at(-1)?.command, 'DEL');
}

async function lives(chain: Chain, tap: string): Promise<void> {
  const { runtime, list, attach, pod, sameAsBefore, ours, node } = chain;
  const [first, , last] = list.plugins;
  assert.ok(first && last);
  const final = await runtime.add(list, attach);

  const [before, after] = [resultOf(runtime, first.type), resultOf(runtime, 'tapwire')];
  assert.equal(after, before, 'nothing is lost, nothing is added');
  assert.ok(before.ips.length === 2 && before.routes.length === 3 && before.dns.options.length === 1);
  assert.equal(final, {
    ...(final.dns === undefined ? {} : { dns: {} }),
    ...withTunedMac(after, attach.ifname),
  });

  assert.is((await linkOf(pod, tap)).mtu, 1400);
  const { address, mtu } = await linkOf(pod, attach.ifname);
  assert.equal({ mac: address, mtu }, TUNED);
  assert.is(node.leases().length, 2);

  if (list.cniVersion >= '0.4.0') await runtime.check(list, attach);
  else {
    const refusal = `configuration version "${list.cniVersion}" does not support the CHECK command`;
    assert.is(await failure(runtime.check(list, attach)), refusal);
  }
  await runtime.del(list, attach);
  await sameAsBefore();
  await delAgain(chain);
  assert.equal(
    ours()
      .map(({ stderr }) => stderr)
      .filter((text) => text !== ''),
    [],
  );
}

for (const neighbour of Object.keys(NEIGHBOURS)) {
  // Debian's plugins are older than 1.1.0.
  for (const [cniVersion, conf] of [
    ['0.3.1', {}],
    ['0.4.0', {}],
    ['1.0.0', { spoofGuard: 'mac' }],
  ] as const) {
    test(`[${cniVersion}] ADD, CHECK and two DELs succeed after ${neighbour} and before tuning`, () =>
      withChain({ neighbour, cniVersion, conf }, (chain) => lives(chain, TAP)));
  }

  test(`${neighbour} checks and deletes what it created even if Tapwire's DEL never ran`, () =>
    withChain(
      { neighbour, after: () => [] },
      async ({ runtime, list, neighbours, attach, node, sameAsBefore }) => {
        await runtime.add(list, attach);
        await runtime.check(neighbours, attach);
        await runtime.del(neighbours, attach);
        assert.equal(node.leases(), []);
        // Tapwire's remains are deleted with the pod, or by a later DEL.
        await runtime.del({ ...list, plugins: [{ type: 'tapwire' }] }, attach);
        await sameAsBefore();
      },
    ));

  test(`the chain after ${neighbour} is rolled back if Tapwire fails or a plugin after it fails`, () =>
    withChain(
      { neighbour, after: (node) => [tuning(node, { sysctl: { 'kernel.hostname': 'x' } })] },
      async ({ runtime, list, attach, pod, sameAsBefore }) => {
        const [first, second, third] = list.plugins;
        assert.ok(first && second && third);
        const tooBig = { ...list, plugins: [first, { ...second, mtu: 9000 }, third] };
        assert.is(
          await failure(runtime.add(tooBig, attach)),
          `plugin type="tapwire" failed (add): Cannot read $.mtu: want at most 1400, the mtu of "${POD_LINK}", got 9000`,
        );
        await runtime.del(tooBig, attach);
        await sameAsBefore();

        const error = await failure(runtime.add(list, attach));
        assert.match(
          error,
          /^plugin type="tuning" failed \(add\): invalid net sysctl key: "kernel\.hostname"/,
        );
        assert.is((await linkOf(pod, TAP)).ifname, TAP, 'we had wired it');
        await runtime.del(list, attach);
        await sameAsBefore();
      },
    ));
}

everyWay(
  "host-device returns a NIC under its name and without anything of Tapwire's, whether Tapwire's DEL ran or not",
  () =>
    withChain(
      { neighbour: 'host-device', after: () => [] },
      async ({ runtime, list, neighbours, attach, node }) => {
        const before = await linkOf(node.netns, 'nic0');
        for (const deleted of [list, neighbours]) {
          await runtime.add(list, attach);
          assert.is(
            await node.netns.ip('-br link show type veth').then((links) => /^nic0/m.test(links)),
            false,
          );
          await runtime.del(deleted, attach);
          assert.equal(await linkOf(node.netns, 'nic0'), before);
          assert.not.match(await node.netns.tc('qdisc show dev nic0'), /clsact/);
          await runtime.del({ ...list, plugins: [{ type: 'tapwire' }] }, attach);
        }
      },
    ),
);

everyWay("ADD after bridge succeeds as the pod's default network if the node policy file allows it", () =>
  withChain({ neighbour: 'bridge', ifname: 'eth0', nodeFile: { tap: { defaultNetwork: true } } }, (chain) =>
    lives(chain, 'tap0'),
  ),
);

test("ADD after bridge fails as the pod's default network if the node policy file does not allow it", () =>
  withChain(
    { neighbour: 'bridge', ifname: 'eth0', nodeFile: {} },
    async ({ runtime, list, attach, sameAsBefore }) => {
      const error = await failure(runtime.add(list, attach));
      assert.match(error, /^plugin type="tapwire" failed \(add\): Cannot wire "eth0" as a network: /);
      await runtime.del(list, attach);
      await sameAsBefore();
    },
  ));

test('ADD after tuning too passes on the MAC that tuning has set', () =>
  withChain({ neighbour: 'bridge' }, async ({ runtime, list, attach, sameAsBefore }) => {
    const [bridge, tapwire, tuned] = list.plugins;
    assert.ok(bridge && tapwire && tuned);
    const turned = { ...list, plugins: [bridge, tuned, tapwire] };
    const final = await runtime.add(turned, attach);
    assert.equal(final, withTunedMac(resultOf(runtime, 'bridge'), POD_LINK));
    await runtime.check(turned, attach);
    await runtime.del(turned, attach);
    await sameAsBefore();
  }));

test('CHECK accepts a lower MTU from tuning after Tapwire as long as the tap fits, and reports a tap that does not', () =>
  withChain(
    { neighbour: 'bridge', conf: { mtu: 1300 }, after: (node) => [tuning(node, { mtu: 1300 })] },
    async ({ runtime, list, attach, pod, sameAsBefore }) => {
      await runtime.add(list, attach);
      await runtime.check(list, attach);
      await pod.ip(`link set ${POD_LINK} mtu 1299`);
      assert.is(
        await failure(runtime.check({ ...list, plugins: list.plugins.slice(0, 2) }, attach)),
        `plugin type="tapwire" failed (check): Cannot confirm the wiring of "${POD_LINK}": ` +
          `tap "${TAP}" has mtu 1300, more than the 1299 of "${POD_LINK}"; links seen: lo, ${POD_LINK}, ${TAP}`,
      );
      await runtime.del(list, attach);
      await sameAsBefore();
    },
  ));

test("ADD succeeds before sbr, which moves the pod link's routes to a table of its own", () =>
  withChain(
    { neighbour: 'ptp', after: () => [{ type: 'sbr' }] },
    async ({ runtime, list, attach, sameAsBefore }) => {
      assert.equal(await runtime.add(list, attach), resultOf(runtime, 'ptp'));
      const tapwire = { ...list, plugins: list.plugins.slice(1, 2) };
      await runtime.check(tapwire, attach);
      await runtime.del(list, attach);
      await sameAsBefore();
    },
  ));

everyWay(
  'passt after bridge and before tuning leaves the pod link and the result as they are without Tapwire',
  () =>
    withChain({ neighbour: 'bridge', conf: { binding: 'passt' } }, async (chain) => {
      const { runtime, list, attach, pod, sameAsBefore } = chain;
      const final = await runtime.add(list, attach);
      assert.equal(final, withTunedMac(resultOf(runtime, 'bridge'), POD_LINK));
      assert.equal(await passtSysctls(pod), [0, 107, 107]);
      assert.is(await pod.ip('-br link show type tun'), '');
      await runtime.check(list, attach);
      await runtime.del(list, attach);
      await sameAsBefore();
      await delAgain(chain);
    }),
);

everyWay('DEL of the chain succeeds when the netns is gone', () =>
  withNode(async (node) => {
    const runtime = openRuntime({ node });
    const plugins = [{ ...NEIGHBOURS['bridge'], ...addressing(node) } as Plugin, { type: 'tapwire' }];
    const list = { cniVersion: '1.0.0', name: 'lan', plugins: [...plugins, tuning(node, TUNED)] };
    const attach = await withSandbox(async ({ path }) => {
      const added = { containerId: 'pod1', netns: path, ifname: POD_LINK };
      await runtime.add(list, added);
      return added;
    });
    await runtime.del(list, attach);
    assert.equal(node.leases(), []);
    await runtime.del(list, { ...attach, netns: '' });
  }),
);

/** Every field of an interface and of a route in results of 1.1.0. */
const FULL_RESULT = (netns: TestNetns, mac: string) => ({
  interfaces: [
    { name: 'br0', mac: '02:00:00:00:00:0a', mtu: 1500 },
    { name: 'vhost0', socketPath: '/run/vhost0.sock', pciID: '0000:04:00.5' },
    { name: POD_LINK, mac, mtu: 1450, sandbox: netns.path, socketPath: '/run/x.sock', pciID: '0000:04:00.6' },
  ],
  ips: [
    { interface: 2, address: '192.0.2.10/24', gateway: '192.0.2.1' },
    { interface: 2, address: '2001:db8::10/64' },
    { address: '198.51.100.7/32' },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '192.0.2.1', mtu: 1400, advmss: 1360, priority: 100, table: 100, scope: 253 },
    { dst: '198.51.100.0/24', table: 0, scope: 0, priority: 0 },
    { dst: '2001:db8:1::/48', gw: '2001:db8::1', scope: 254 },
  ],
  dns: {
    nameservers: ['192.0.2.53', '2001:db8::53'],
    domain: 'vms.test',
    search: ['test'],
    options: ['ndots:5'],
  },
});

for (const cniVersion of ['1.0.0', '1.1.0']) {
  test(`[${cniVersion}] ADD and CHECK pass through the fields that 1.1.0 added to results`, () =>
    withPod(POD_LINK, async (pod) => {
      const { address } = await linkOf(pod, POD_LINK);
      const prevResult = { cniVersion, ...FULL_RESULT(pod, address) };
      const call = { netns: pod.path, ifname: POD_LINK, conf: { cniVersion, prevResult } };
      const added = await cni('ADD', call);
      assert.equal([added.json, added.stderr], [prevResult, '']);
      for (const command of ['CHECK', 'DEL']) {
        const { exitCode, stdout, stderr } = await cni(command, call);
        assert.equal([exitCode, stdout, stderr], [0, '', ''], command);
      }
    }));
}

everyWay('[1.1.0] STATUS succeeds, and GC keeps the valid attachment and deletes the other', () =>
  withNode((node) =>
    withPod(POD_LINK, async (pod) => {
      await pod.ip('link add poddead type veth peer name host-dead');
      const runtime = openRuntime({ node });
      const list = { cniVersion: '1.1.0', name: 'lan', plugins: [{ type: 'tapwire' }] };
      await runtime.status(list);
      const valid = { containerId: 'pod1', netns: pod.path, ifname: POD_LINK };
      const stale = { ...valid, ifname: 'poddead' };
      await runtime.add(list, valid);
      const before = await dumpNetns(pod);
      await runtime.add(list, stale);
      await runtime.gc(list, [valid]);
      assert.equal(
        runtime.calls.slice(-2).map(({ command, env }) => [command, env['CNI_IFNAME']]),
        [
          ['DEL', 'poddead'],
          ['GC', ''],
        ],
      );
      sameNetns(await dumpNetns(pod), before);
      await runtime.check(list, valid);
      await runtime.gc(list, []);
      assert.not.match(await pod.ip('link show'), / tap/);
    }),
  ),
);

everyWay.run();
