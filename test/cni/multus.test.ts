/**
 * Pods as Multus creates them: the cluster's network, networks of the VM, and the entries of
 * Tapwire's binding among them.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import {
  dumpNode,
  type Json,
  openRuntime,
  type Runtime,
  type RuntimeOptions,
  type TestNode,
  withNode,
  withSandbox,
} from '../helpers/cluster/cni-runtime.ts';
import {
  CONTAINERD_ENVIRONMENT,
  DAEMON_ENVIRONMENT,
  type Multus,
  type Nad,
  type NetworkSelection,
  openMultus,
  type Pod,
} from '../helpers/cluster/multus.ts';
import { type Answer, cni, newContainerId } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('a caller like Multus');
const test = inOneWay(everyWay);

const [BLUE, RED, GREEN] = ['blue', 'red', 'green'].map(hashedPodIfname) as [string, string, string];
const RED_MAC = '02:00:00:00:00:11';

/**
 * The entries that virt-controller writes for a network of the VM, and for Tapwire's binding of
 * one.
 */
const network = (ifname: string, nad: string, more: Partial<NetworkSelection> = {}): NetworkSelection => ({
  name: nad,
  namespace: 'vms',
  interface: ifname,
  ...more,
});
const binding = (logicNetworkName: string, nad = 'tapwire-tap'): NetworkSelection => ({
  name: nad,
  namespace: 'kubevirt',
  'cni-args': { logicNetworkName },
});

/** A primary network and a secondary one, both with Tapwire's binding. */
const VM = [binding('default'), network(RED, 'lan', { mac: RED_MAC }), binding('red')];

/**
 * The environment that callers pass on to plugins. A container runtime passes all of its own,
 * including the variables that an administrator put into its unit.
 */
const ENVIRONMENT = {
  thin: { ...CONTAINERD_ENVIRONMENT, INVOCATION_ID: '0123456789abcdef', NODE_OPTIONS: '--no-such' },
  thick: DAEMON_ENVIRONMENT,
} as const;

const hostLocal = ({ directory }: TestNode, subnet: string, subnet6: string) => ({
  type: 'host-local',
  dataDir: `${directory}/leases`,
  ranges: [[{ subnet }], [{ subnet: subnet6 }]],
});

/** Addresses of the only pod of a node. */
const STATIC = {
  type: 'static',
  addresses: [
    { address: '10.244.0.2/24', gateway: '10.244.0.1' },
    { address: 'fd00:10:244::2/64', gateway: 'fd00:10:244::1' },
  ],
};

function nadsOf(node: TestNode): Record<string, Nad> {
  const tuning = { type: 'tuning', dataDir: `${node.directory}/tuning`, mac: '02:00:00:00:00:77' };
  return {
    'kubevirt/tapwire-tap': { config: { cniVersion: '1.0.0', name: 'tapwire-tap', type: 'tapwire' } },
    'kubevirt/listed': {
      config: { cniVersion: '0.3.1', plugins: [{ type: 'tapwire', args: { cni: { labels: [] } } }] },
    },
    'vms/lan': { config: { cniVersion: '0.3.1', type: 'bridge', bridge: 'cni0' } },
    'vms/dmz': {
      config: {
        cniVersion: '1.0.0',
        name: 'dmz',
        type: 'macvlan',
        master: 'uplink0',
        ipam: hostLocal(node, '203.0.113.0/24', '2001:db8:6::/64'),
      },
    },
    'vms/chain': {
      config: {
        cniVersion: '0.4.0',
        name: 'chain',
        plugins: [{ type: 'bridge', bridge: 'cni0' }, { type: 'tapwire' }, tuning],
      },
    },
    'vms/broken': { config: { cniVersion: '1.0.0', type: 'macvlan', master: 'none0' } },
    'vms/unmarked': {
      config: {
        cniVersion: '1.0.0',
        plugins: [
          { type: 'ptp', ipam: hostLocal(node, '192.0.2.0/24', '2001:db8:7::/64') },
          { type: 'tapwire' },
        ],
      },
    },
  };
}

interface World {
  readonly node: TestNode;
  readonly runtime: Runtime;
  readonly multus: Multus;
  readonly nads: Record<string, Nad>;
}

function withMultus(
  variant: 'thin' | 'thick',
  act: (world: World) => Promise<void>,
  nodeFile?: RuntimeOptions['nodeFile'],
): Promise<void> {
  return withNode(async (node) => {
    const env = ENVIRONMENT[variant];
    const runtime = openRuntime({
      node,
      env,
      multus: variant,
      ...(nodeFile === undefined ? {} : { nodeFile }),
    });
    const nads = nadsOf(node);
    // The thick daemon's DEL passes the cluster's network less than host-local needs
    // (test/unit/recorded-multus.test.ts).
    const ipam = variant === 'thick' ? STATIC : hostLocal(node, '10.244.0.0/24', 'fd00:10:244::/64');
    const ptp = { type: 'ptp', ipam };
    const clusterNetwork = { cniVersion: '0.4.0', name: 'cluster', plugins: [ptp] };
    await act({ node, runtime, nads, multus: openMultus({ runtime, variant, clusterNetwork, nads }) });
  });
}

interface TestPod {
  readonly pod: Pod;
  /** Fails unless the pod's netns is as the container runtime created it. */
  readonly sameAsBefore: () => Promise<void>;
}

function withPodOf(
  networks: readonly NetworkSelection[],
  act: (made: TestPod) => Promise<void>,
): Promise<void> {
  return withSandbox(async (netns) => {
    const uid = '7d1f2b3c-0000-4000-8000-000000000001';
    const name = 'virt-launcher-vm1-abcde';
    const before = await dumpNetns(netns);
    const pod = { namespace: 'vms', name, uid, containerId: newContainerId(), netns, networks };
    await act({
      pod,
      sameAsBefore: async () => sameNetns(await dumpNetns(netns), before, 'the pod is as it was'),
    });
  });
}

/** Runs `act` with a node and a pod on it, deletes the pod, and asserts that both are as before. */
const withVm = (
  variant: 'thin' | 'thick',
  networks: readonly NetworkSelection[],
  act: (world: World & TestPod) => Promise<void>,
  nodeFile?: RuntimeOptions['nodeFile'],
): Promise<void> =>
  withMultus(
    variant,
    (world) =>
      withPodOf(networks, async (made) => {
        const before = await dumpNode(world.node);
        await act({ ...world, ...made });
        await made.sameAsBefore();
        sameNetns(await dumpNode(world.node), before, 'the node is as it was');
        assert.equal(world.node.leases(), []);
      }),
    nodeFile,
  );

const ifnamesIn = async ({ netns }: Pod): Promise<readonly string[]> =>
  JSON.parse(await netns.ip('-j link show')).map((link: Json) => link.ifname);

/** Returns the message of the error that a call fails with. */
const failure = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => assert.unreachable('the call succeeded') as never,
    (error: Error) => error.message,
  );

/** Tapwire's calls, starting at the `from`th call of all plugins. */
const oursIn = ({ calls }: Runtime, from = 0) => calls.slice(from).filter(({ type }) => type === 'tapwire');

for (const variant of ['thin', 'thick'] as const) {
  everyWay(
    `[${variant}] a primary and a secondary network with Tapwire's binding are wired and deleted`,
    () =>
      withVm(variant, VM, async ({ pod, multus, runtime, node }) => {
        const status = await multus.add(pod);
        const wired = ['lo', 'eth0', 'tap0', RED, secondaryTapIfname(RED)];
        assert.equal([...(await ifnamesIn(pod))].sort(), [...wired].sort(), 'no net<N> among them');
        assert.equal(
          status.map(({ name, interface: ifname, default: isDefault }) => [name, ifname, isDefault]),
          [
            ['cluster', 'eth0', true],
            ['vms/lan', RED, undefined],
          ],
        );
        assert.is(status[1]?.mac, RED_MAC);
        assert.equal([status[0]?.ips?.length, node.leases().length], [2, variant === 'thin' ? 2 : 0]);

        const keys = [
          'K8S_POD_NAMESPACE=vms',
          `K8S_POD_NAME=${pod.name}`,
          `K8S_POD_INFRA_CONTAINER_ID=${pod.containerId}`,
          `K8S_POD_UID=${pod.uid}`,
        ];
        const args = [
          ...['IgnoreUnknown=true', ...keys],
          ...(variant === 'thin' ? ['IgnoreUnknown=1', ...keys].sort() : []),
        ];
        const sortedTail = (text = '') => [
          ...text.split(';').slice(0, 5),
          ...text.split(';').slice(5).sort(),
        ];
        const conf = { cniVersion: '1.0.0', name: 'tapwire-tap', type: 'tapwire' };
        const said = '{"cniVersion":"1.0.0"}';
        assert.equal(
          oursIn(runtime).map(({ env, conf, stdout, stderr }) => [
            env['CNI_IFNAME'],
            sortedTail(env['CNI_ARGS']),
            conf,
            stdout,
            stderr,
          ]),
          [
            ['net1', args, { ...conf, args: { cni: { logicNetworkName: 'default' } } }, said, ''],
            ['net3', args, { ...conf, args: { cni: { logicNetworkName: 'red' } } }, said, ''],
          ],
        );

        const from = runtime.calls.length;
        await multus.del(pod);
        assert.equal(
          runtime.calls.slice(from).map(({ env, type }) => [env['CNI_IFNAME'], type]),
          [
            ['net3', 'tapwire'],
            [RED, 'bridge'],
            ['net1', 'tapwire'],
            ['eth0', 'ptp'],
          ],
        );
        for (const { conf, stdout, stderr } of oursIn(runtime, from)) {
          assert.equal([conf.prevResult, stdout, stderr], [{ cniVersion: '1.0.0' }, '', '']);
        }
        await multus.del(pod);
        multus.forget();
        await multus.del(pod);
      }),
  );

  test(`[${variant}] DEL succeeds when the netns is gone or unknown`, () =>
    withMultus(variant, async ({ multus, node, runtime }) => {
      for (const isKnown of [true, false]) {
        const pod = await withSandbox(async (netns) => {
          const made = {
            namespace: 'vms',
            name: 'vm1',
            uid: '1',
            containerId: newContainerId(),
            netns,
            networks: VM,
          };
          await multus.add(made);
          return made;
        });
        const from = runtime.calls.length;
        await multus.del(pod, isKnown ? pod.netns.path : '');
        assert.equal(
          oursIn(runtime, from).map(({ exitCode, stdout, stderr }) => [exitCode, stdout, stderr]),
          [
            [0, '', ''],
            [0, '', ''],
          ],
        );
        assert.equal(node.leases(), []);
      }
    }));
}

test('three secondary networks are wired and deleted, one with Tapwire in its own chain', () =>
  withVm(
    'thick',
    [
      binding('default'),
      network(BLUE, 'dmz'),
      binding('blue', 'listed'),
      network(RED, 'lan'),
      binding('red'),
      network(GREEN, 'chain'),
    ],
    async ({ pod, multus, runtime }) => {
      const status = await multus.add(pod);
      assert.equal(
        status.map(({ name, interface: ifname, ips }) => [name, ifname, ips?.length]),
        [
          ['cluster', 'eth0', 2],
          ['vms/dmz', BLUE, 2],
          ['vms/lan', RED, undefined],
          ['vms/chain', GREEN, undefined],
        ],
      );
      assert.is(status[3]?.mac, '02:00:00:00:00:77', 'tuning changed it after us');
      const links = [
        'lo',
        'eth0',
        'tap0',
        ...[BLUE, RED, GREEN].flatMap((link) => [link, secondaryTapIfname(link)]),
      ];
      assert.equal([...(await ifnamesIn(pod))].sort(), links.sort());
      assert.equal(
        oursIn(runtime).map(({ env, conf }) => [env['CNI_IFNAME'], conf.name, conf.args?.cni]),
        [
          ['net1', 'tapwire-tap', { logicNetworkName: 'default' }],
          ['net3', 'listed', { labels: [], logicNetworkName: 'blue' }],
          ['net5', 'tapwire-tap', { logicNetworkName: 'red' }],
          [GREEN, 'chain', undefined],
        ],
      );
      assert.equal(
        oursIn(runtime).map(({ stdout, stderr }) => [JSON.parse(stdout).cniVersion, stderr]),
        ['1.0.0', '0.3.1', '1.0.0', '0.4.0'].map((version) => [version, '']),
      );
      await multus.del(pod);
    },
  ));

const NUMBERED =
  `Cannot find the pod link of network "blue": there is no "${BLUE}", and with "net4" in the pod KubeVirt numbers its links; ` +
  'give every network of the pod an "interface" in its annotation; links seen: lo, eth0, tap0, ';
const FAILURES = [
  ["another plugin's network", [...VM, network(BLUE, 'broken')], 'broken', /Link not found$/],
  [
    "Tapwire's binding of a network that does not exist, so that it takes the primary one again",
    [...VM, binding('blue')],
    'tapwire-tap',
    /^Cannot wire network "blue" \("net4"\) to "eth0": attachment "net1" of this pod has wired "eth0" to "tap0" already; network "blue" has no link /,
  ],
  [
    "Tapwire's binding of a network that has an ordinal name",
    [...VM, { name: 'lan', namespace: 'vms' }, binding('blue')],
    'tapwire-tap',
    new RegExp(`^${NUMBERED}`),
  ],
  [
    'a link that has the name of another network',
    [...VM, network(RED, 'dmz')],
    'dmz',
    new RegExp(`^validateIfName: interface name ${RED} already exists$`),
  ],
  [
    'a MAC that the plugin before Tapwire does not set',
    [...VM, network(BLUE, 'unmarked', { mac: '02:00:00:00:00:22' })],
    'unmarked',
    /^plugin type="tapwire" failed \(add\): .*02:00:00:00:00:22/,
  ],
] as const;

for (const [why, networks, nad, text] of FAILURES) {
  test(`the whole pod is rolled back if a later network fails: ${why}`, () =>
    withVm('thick', networks, async ({ pod, multus, runtime }) => {
      const prefix = `[vms/${pod.name}/${pod.uid}:${nad}]: error adding container to network "${nad}": `;
      const message = await failure(multus.add(pod));
      assert.is(message.slice(0, prefix.length), prefix);
      assert.match(message.slice(prefix.length), text);
      const dels = runtime.calls.filter(({ command }) => command === 'DEL');
      const names = dels.map(({ env }) => env['CNI_IFNAME']);
      assert.equal(names.slice(-4), ['net3', RED, 'net1', 'eth0'], 'newest first');
      assert.equal(
        dels.filter(({ type, exitCode }) => type === 'tapwire' && exitCode !== 0),
        [],
      );
    }));
}

for (const [namespaces, isAllowed] of [
  [['vms'], true],
  [['web', 'vms2'], false],
] as const) {
  test(`[thick] pods of vms ${isAllowed ? 'may' : 'may not'} be wired if the node policy file lists ${namespaces.join(' and ')}`, () =>
    withVm(
      'thick',
      VM,
      async ({ pod, multus }) => {
        if (isAllowed) {
          await multus.add(pod);
          return multus.del(pod);
        }
        const refusal = 'tapwire-tap": Cannot wire pods of namespace "vms": ';
        const message = await failure(multus.add(pod));
        assert.ok(message.includes(refusal), message);
      },
      { tap: { namespaces } },
    ));
}

test('a wired pod survives the DELs of a hot-plug controller', () =>
  withVm('thick', VM, async ({ pod, multus, runtime }) => {
    await multus.add(pod);
    const wired = await dumpNetns(pod.netns);
    const nameless = await failure(multus.delegate('DEL', pod, binding('default')));
    assert.match(nameless, /^required env variables \[CNI_IFNAME\] missing$/);
    sameNetns(await dumpNetns(pod.netns), wired);
    for (const ifname of [RED, 'eth0', 'net2']) {
      await multus.delegate('DEL', pod, { ...binding('red'), interface: ifname });
      sameNetns(await dumpNetns(pod.netns), wired, `DEL of ${ifname}`);
    }
    const dels = oursIn(runtime).filter(({ command }) => command === 'DEL');
    assert.equal(
      dels.map(({ env, conf }) => [env['CNI_IFNAME'], conf.args]),
      ['', RED, 'eth0', 'net2'].map((name) => [name, undefined]),
    );
    await multus.del(pod);
  }));

test("a hot-plug controller's ADD of Tapwire's binding without a name is rejected, and that of a network with Tapwire in its chain works", () =>
  withVm('thick', VM, async ({ pod, multus, runtime }) => {
    await multus.add(pod);
    const wired = await dumpNetns(pod.netns);
    const nameless = await failure(multus.delegate('ADD', pod, binding('default')));
    assert.is(nameless, 'interface name is empty');
    await multus.delegate('DEL', pod, binding('default')).catch(() => undefined); // and so it rolls back
    sameNetns(await dumpNetns(pod.netns), wired);

    const plugged = network(GREEN, 'chain');
    const { interfaces } = await multus.delegate('ADD', pod, plugged);
    assert.equal(interfaces.map(({ name }: Json) => name).slice(2), [GREEN]);
    assert.ok((await ifnamesIn(pod)).includes(secondaryTapIfname(GREEN)));
    assert.is(oursIn(runtime).at(-1)?.stderr, '');
    await multus.delegate('DEL', pod, plugged);
    sameNetns(await dumpNetns(pod.netns), wired);
    await multus.del(pod);
  }));

test('Tapwire ignores the devices of a resource, which every plugin of the chain gets', () =>
  withVm('thin', [network(BLUE, 'chain'), network(RED, 'chain')], async ({ pod, multus, runtime, nads }) => {
    const chain = nads['vms/chain'];
    assert.ok(chain);
    nads['vms/chain'] = { ...chain, resourceName: 'example.test/nic' };
    await multus.add({ ...pod, devices: { 'example.test/nic': ['nic9', 'nic10'] } });
    assert.equal(
      oursIn(runtime).map(({ conf, stderr }) => [conf.deviceID, conf.pciBusID, stderr]),
      [
        ['nic10', 'nic10', ''],
        ['nic9', 'nic9', ''],
      ],
    );
    await multus.del(pod);
  }));

test('DEL succeeds for a NAD that was made invalid since ADD, and that Multus has forgotten', () =>
  withVm('thick', VM, async ({ pod, multus, nads, runtime }) => {
    await multus.add(pod);
    const config = {
      cniVersion: '1.0.0',
      name: 'tapwire-tap',
      type: 'tapwire',
      binding: 'bridge',
      podLink: '../..',
      owner: -1,
      mtu: 'big',
      args: 'none',
      runtimeConfig: [],
      prevResult: 7,
    };
    nads['kubevirt/tapwire-tap'] = { config };
    multus.forget();
    await multus.del({ ...pod, networks: pod.networks.map(({ 'cni-args': _, ...entry }) => entry) });
    assert.is(oursIn(runtime).at(-1)?.conf.podLink, '../..');
  }));

async function withPods(count: number, act: (pods: readonly TestPod[]) => Promise<void>): Promise<void> {
  const more = (pods: readonly TestPod[]): Promise<void> =>
    pods.length === count ? act(pods) : withPodOf(VM, (made) => more([...pods, made]));
  return more([]);
}

test('ten pods at once are wired and deleted, twice', () =>
  withMultus('thin', ({ multus, node, runtime }) =>
    withPods(10, async (pods) => {
      const before = await dumpNode(node);
      for (const _ of ['first', 'again']) {
        const statuses = await Promise.all(pods.map(({ pod }) => multus.add(pod)));
        assert.equal(
          statuses.map(({ length }) => length),
          Array(10).fill(2),
        );
        const addresses = statuses.flatMap(([primary]) => primary?.ips ?? []);
        assert.is(new Set(addresses).size, 20);
        for (const { pod } of pods) assert.is((await ifnamesIn(pod)).length, 5);
        await Promise.all(pods.map(({ pod }) => multus.del(pod)));
        for (const { sameAsBefore } of pods) await sameAsBefore();
      }
      sameNetns(await dumpNode(node), before, 'the node is as it was');
      assert.equal(node.leases(), []);
      assert.equal(
        oursIn(runtime).filter(({ exitCode, stderr }) => exitCode !== 0 || stderr !== ''),
        [],
      );
    }),
  ));

/**
 * CHECK's error for a netns without anything of Tapwire's. CHECK must give this error or none:
 * every other one means that it saw half a wiring.
 */
const UNWIRED =
  'Cannot confirm the wiring of "eth0": tap "tap0" is gone; "eth0" has no clsact qdisc, so no redirect to "tap0"';

everyWay('several calls at once for one container never see half a wiring, and leave none', () =>
  withPod('eth0', async (netns) => {
    const call = {
      netns: netns.path,
      network: 'default',
      containerId: newContainerId(),
      conf: { prevResult: { cniVersion: '1.0.0' } },
    };
    const before = await dumpNetns(netns);
    const all = (commands: readonly string[]) =>
      Promise.all(commands.map(async (command) => ({ command, ...(await cni(command, call)) })));
    for (let round = 0; round < 4; round++) {
      const answers = await all(['ADD', 'CHECK', 'DEL', 'ADD', 'CHECK', 'DEL', 'ADD', 'CHECK']);
      for (const { command, exitCode, json } of answers) {
        const isFine = exitCode === 0 || (command === 'CHECK' && json.msg === UNWIRED);
        assert.ok(isFine, `${command}: ${JSON.stringify(json)}`);
      }
      const { exitCode, json } = await cni('CHECK', call);
      if (exitCode !== 0) {
        assert.is(json.msg, UNWIRED);
        sameNetns(await dumpNetns(netns), before);
      }
    }
    const added = await all(['ADD', 'ADD', 'ADD', 'ADD']);
    assert.equal(
      added.map(({ stdout, stderr }) => [stdout, stderr]),
      Array(4).fill([added[0]?.stdout, '']),
    );
    assert.is(await redirects(netns), 2);
    const silent = ({ exitCode, stdout, stderr }: Answer) => [exitCode, stdout, stderr];
    assert.equal((await all(['CHECK', 'CHECK', 'CHECK'])).map(silent), Array(3).fill([0, '', '']));
    assert.equal((await all(['DEL', 'DEL', 'DEL'])).map(silent), Array(3).fill([0, '', '']));
    sameNetns(await dumpNetns(netns), before);
  }),
);

async function redirects({ tc }: TestNetns): Promise<number> {
  const filters = await Promise.all(
    ['eth0', 'tap0'].map((ifname) => tc(`filter show dev ${ifname} ingress`)),
  );
  return filters.join('\n').match(/Redirect to device/gi)?.length ?? 0;
}

everyWay.run();
