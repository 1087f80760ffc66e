/**
 * The macvtap binding as its callers see it: ADD gives the pod a link on a device of the node and
 * its device node, CHECK finds what differs from that, and DEL leaves nothing.
 */
import { existsSync, rmSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../cni/request/version.ts';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import type { Answer, Call } from '../helpers/plugin/cni.ts';
import {
  argsOf,
  BLUE,
  hasOwnDevice,
  ifindexOf,
  LOWER,
  type MacvtapNode,
  nodePathOf,
  openAsQemu,
  podName,
  showDeviceNode,
  showMacvtap,
  withMacvtapNode,
} from '../helpers/plugin/macvtap-node.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const everyWay = suite('the macvtap binding');
const test = inOneWay(everyWay);

const SILENCE = { exitCode: 0, stdout: '', stderr: '', json: undefined };
const MAC = '02:00:00:00:0a:0b';
/**
 * Promiscuity of a veth with a macvtap: the kernel turns it on for devices that cannot filter
 * unicast MACs.
 */
const UNFILTERED = 1;

const checkOf = (call: Call, { json }: Answer): Call => ({
  ...call,
  conf: { ...call.conf, prevResult: json },
});
const linkOf = async ({ ip }: TestNetns, ifname: string) =>
  JSON.parse(await ip(`-d -j link show ${ifname}`))[0];
const warningsOf = ({ stderr }: Answer): readonly string[] =>
  stderr
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).message);

/** Runs `act` on a node with a pod; afterwards the pod's netns and /dev are as before. */
const onPod = (
  act: (node: MacvtapNode, pod: TestNetns) => Promise<unknown>,
  options?: Parameters<typeof withMacvtapNode>[1],
): Promise<void> =>
  withMacvtapNode(
    (node) =>
      withNetns(async (pod) => {
        const before = await dumpNetns(pod);
        await act(node, pod);
        sameNetns(await dumpNetns(pod), before);
        assert.equal(node.deviceNodes(), []);
      }),
    options,
  );

// ---- ADD

for (const cniVersion of SUPPORTED_VERSIONS) {
  test(`[${cniVersion}] ADD reports one link with its MAC and MTU; ADD, CHECK and DEL can be repeated`, () =>
    onPod(async (node, pod) => {
      const call = node.podOf(pod, 0, { cniVersion, mac: MAC });
      const mtu = cniVersion < '1.0.0' ? {} : { mtu: 1500 };
      const dns = cniVersion < '1.0.0' ? { dns: {} } : {};
      const interfaces = [{ name: BLUE, mac: MAC, ...mtu, sandbox: pod.path }];
      const want = { cniVersion, interfaces, ...dns };
      const add = await node.succeeds('ADD', call);
      assert.equal([add.json, add.stderr], [want, '']);
      const first = await showMacvtap(pod);
      assert.equal((await node.succeeds('ADD', call, 'again')).json, want);
      assert.equal(await showMacvtap(pod), first, 'the second ADD changes nothing');
      const check = await node.call('CHECK', checkOf(call, add));
      if (cniVersion < '0.4.0') assert.is(check.json.msg, 'config version does not allow CHECK');
      else assert.equal(check, SILENCE);
      for (const _ of ['first', 'again']) assert.equal(await node.call('DEL', call), SILENCE);
    }));
}

everyWay('ADD creates the whole link and its device node, CHECK confirms them, and DEL leaves nothing', () =>
  onPod(async (node, pod) => {
    const call = node.podOf(pod, 0, { mac: MAC, queues: 2, mtu: 1400 });
    const ifindex = ifindexOf(node.ids[0] ?? '');
    const add = await node.succeeds('ADD', call);
    const { link, flags, disableIpv6 } = await showMacvtap(pod);
    assert.equal(
      { index: link.ifindex, mac: link.address, mtu: link.mtu, txqlen: link.txqlen, alias: link.ifalias },
      {
        index: ifindex,
        mac: MAC,
        mtu: 1400,
        txqlen: 1000,
        alias:
          `tapwire/1 container=${call.containerId} ifname=${BLUE} binding=macvtap link=${LOWER} mtu=1400 mac=${MAC} ` +
          'mode=bridge owner=107 group=107 allmulti=1 promisc=0',
      },
    );
    assert.equal(
      [link.linkinfo.info_kind, link.linkinfo.info_data.mode, link.num_tx_queues, link.num_rx_queues],
      ['macvtap', 'bridge', 2, 2],
    );
    assert.equal(
      ['UP', 'ALLMULTI', 'PROMISC'].map((flag) => flags.includes(flag)),
      [true, true, false],
    );
    assert.equal([disableIpv6, link.inet6_addr_gen_mode], ['1', 'none']);
    assert.equal(JSON.parse(await pod.ip(`-j addr show ${BLUE}`))[0].addr_info, []);
    await hasOwnDevice(pod);
    assert.equal(await openAsQemu(ifindex), { exitCode: 0, stderr: '' });
    const lower = await linkOf(node.netns, LOWER);
    assert.equal(
      [lower.promiscuity, lower.allmulti],
      [UNFILTERED, 1],
      'allmulticast is also on for the lower device',
    );
    assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
    assert.equal(await node.call('DEL', call), SILENCE);
    assert.is((await linkOf(node.netns, LOWER)).allmulti, 0);
  }),
);

for (const mode of ['private', 'vepa', 'passthru'] as const) {
  test(`ADD creates a macvtap in the mode of the entry: ${mode}`, () =>
    onPod(
      async (node, pod) => {
        const before = await linkOf(node.netns, LOWER);
        const call = node.podOf(pod);
        const add = await node.succeeds('ADD', call);
        assert.is((await showMacvtap(pod)).link.linkinfo.info_data.mode, mode);
        await hasOwnDevice(pod);
        const { promiscuity } = await linkOf(node.netns, LOWER);
        assert.is(promiscuity, mode === 'passthru' ? 0 : UNFILTERED);
        assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
        await node.succeeds('DEL', call);
        assert.is((await linkOf(node.netns, LOWER)).address, before.address, 'the lower device has its MAC');
      },
      { entry: mode === 'passthru' ? { mode, capacity: 1 } : { mode } },
    ));
}

test('ADD turns promiscuous mode on and allmulticast off only if the node policy file says so', () =>
  onPod(
    async (node, pod) => {
      const call = node.podOf(pod, 0, { promiscMode: true });
      const add = await node.succeeds('ADD', call);
      const { link, flags } = await showMacvtap(pod);
      assert.match(link.ifalias, / allmulti=0 promisc=1$/);
      assert.equal([flags.includes('PROMISC'), flags.includes('ALLMULTI')], [true, false]);
      const lower = await linkOf(node.netns, LOWER);
      assert.equal([lower.promiscuity, lower.allmulti], [UNFILTERED + 1, 0]);
      assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
      await node.succeeds('DEL', call);
      assert.is((await linkOf(node.netns, LOWER)).promiscuity, 0);
    },
    { entry: { promisc: true, allmulticast: false } },
  ));

everyWay(
  'ADD makes a macvtap on a master that the node policy file lists, and warns that no VM can open it',
  () =>
    onPod(
      async (node, pod) => {
        const call = node.masterPodOf(pod, { owner: 0, group: 0 });
        const add = await node.succeeds('ADD', call);
        const { link } = await showMacvtap(pod);
        assert.equal(
          [link.ifindex >= 2 ** 29, link.ifindex < 2 ** 30, link.linkinfo.info_data.mode],
          [true, true, 'vepa'],
        );
        await hasOwnDevice(pod, BLUE, '0:0');
        assert.match(warningsOf(add).join('\n'), /no VM of KubeVirt can open its device node/);
        assert.is(node.kubelet.calls(), 0, 'kubelet is not asked');
        assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
        await node.succeeds('DEL', call);
      },
      { master: { mode: 'vepa' } },
    ),
);

test('ADD gives the guest the MAC of runtimeConfig, args.cni, CNI_ARGS or the NAD, in this order', () =>
  onPod(async (node, pod) => {
    const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:03', '02:00:00:00:00:04'];
    const asked: readonly ((call: Call, mac: string) => Call)[] = [
      (call, mac) => ({ ...call, conf: { ...call.conf, runtimeConfig: { mac } } }),
      (call, mac) => ({ ...call, conf: { ...call.conf, args: { cni: { mac } } } }),
      (call, mac) => ({ ...call, env: { CNI_ARGS: `${argsOf(podName(0))};MAC=${mac}` } }),
      (call, mac) => ({ ...call, conf: { ...call.conf, mac } }),
    ];
    const bare = node.podOf(pod);
    for (const [first, mac] of macs.entries()) {
      const call = asked.slice(first).reduce((one, ask, i) => ask(one, macs[first + i] ?? ''), bare);
      assert.is((await node.succeeds('ADD', call)).json.interfaces[0].mac, mac);
      assert.is((await showMacvtap(pod)).link.address, mac);
      await node.succeeds('DEL', call);
    }
  }));

test('ADD derives a MAC that the next pod of the same VM gets again, and no other VM or network', () =>
  withMacvtapNode((node) =>
    withNetns((pod) =>
      withNetns(async (target) => {
        const macIn = async (call: Call): Promise<string> => {
          const { json } = await node.succeeds('ADD', call);
          await node.succeeds('DEL', call);
          return json.interfaces[0].mac;
        };
        const from = (name: string, more: Partial<Call> = {}): Call => {
          node.kubelet.give({ namespace: 'vms', name }, `tapwire.io/${node.resource}`, [node.ids[0] ?? '']);
          return { ...node.podOf(target), env: { CNI_ARGS: argsOf({ namespace: 'vms', name }) }, ...more };
        };
        const mac = await macIn(node.podOf(pod));
        assert.match(mac, /^02(:[0-9a-f]{2}){5}$/);
        assert.is(await macIn(from('virt-launcher-vm0-x7k2p')), mac, 'the target of a migration');
        assert.is.not(await macIn(from('virt-launcher-vm1-x7k2p')), mac);
        assert.is.not(await macIn(from('virt-launcher-vm0-x7k2p', { ifname: 'pod0123456789a' })), mac);
      }),
    ),
  ));

test('two networks of one pod, and a tap next to them, do not touch each other', () =>
  onPod(async (node, pod) => {
    const red = hashedPodIfname('red');
    await pod.ip('link add eth0 type veth peer name host0');
    await pod.ip('link set eth0 addrgenmode none');
    const plain = await dumpNetns(pod);
    const blue = node.podOf(pod, 0);
    const second = { ...node.podOf(pod, 1), ifname: red, containerId: blue.containerId ?? '' };
    const tap: Call = { netns: pod.path, containerId: blue.containerId ?? '', network: 'default' };
    const calls = [tap, blue, { ...second, env: { CNI_ARGS: argsOf(podName(1)) } }];
    const results = new Map<Call, Answer>();
    for (const call of calls) results.set(call, await node.succeeds('ADD', call));
    const confirm = async (rest: readonly Call[]) => {
      for (const call of rest)
        assert.equal(await node.call('CHECK', checkOf(call, results.get(call) as Answer)), SILENCE);
    };
    await confirm(calls);
    await hasOwnDevice(pod);
    await hasOwnDevice(pod, red);
    while (calls.length > 0) {
      await node.succeeds('DEL', calls.shift() as Call);
      await confirm(calls);
    }
    assert.not.match(await pod.ip('link show'), secondaryTapIfname('eth0'));
    sameNetns(await dumpNetns(pod), plain);
    await pod.ip('link del eth0');
  }));

// ---- CHECK

const sysctl = ({ name }: TestNetns, setting: string) =>
  execa('ip', ['netns', 'exec', name, 'sysctl', '-qw', setting]);

type Damage = (pod: TestNetns, path: string) => unknown;
/** What CHECK says, and whether the next ADD repairs it. */
const DAMAGES: Readonly<Record<string, readonly [Damage, RegExp, 'repaired' | 'refused' | 'made again']>> = {
  'a deleted link': [({ ip }) => ip(`link del ${BLUE}`), /it is gone$/, 'made again'],
  'a link that is down': [({ ip }) => ip(`link set ${BLUE} down`), /" is down$/, 'repaired'],
  'another mode': [
    ({ ip }) => ip(`link set ${BLUE} type macvtap mode private`),
    /has mode private instead of bridge$/,
    'refused',
  ],
  'allmulticast that is off': [
    ({ ip }) => ip(`link set ${BLUE} allmulticast off`),
    /has allmulticast off, so the guest does not receive IPv6 neighbour solicitations$/,
    'repaired',
  ],
  'IPv6 that is on': [
    (pod) => sysctl(pod, `net.ipv6.conf.${BLUE}.disable_ipv6=0`),
    /has IPv6 on, so the pod's own stack sends with the guest's MAC$/,
    'repaired',
  ],
  'a lost record': [
    ({ ip }) => ip(`link set ${BLUE} alias foreign`),
    /that name is taken by a macvtap link that Tapwire did not make$/,
    'refused',
  ],
  'a deleted device node': [(_, path) => rmSync(path), /device node \/dev\/tap\d+ is gone$/, 'repaired'],
  'the device node of another device': [
    async (_, path) => {
      rmSync(path);
      await execa('mknod', [path, 'c', '1', '3']);
    },
    /device node \/dev\/tap\d+ is not that of "pod[0-9a-f]+"$/,
    'repaired',
  ],
  'a file instead of the device node': [
    async (_, path) => {
      rmSync(path);
      await execa('touch', [path]);
    },
    /is not that of/,
    'repaired',
  ],
  'another owner of the device node': [
    (_, path) => execa('chown', ['0:107', path]),
    /belongs to 0:107, mode 0600 instead of 107:107, mode 0600$/,
    'repaired',
  ],
  'a device node that others can open': [
    (_, path) => execa('chmod', ['666', path]),
    /belongs to 107:107, mode 0666 instead of 107:107, mode 0600$/,
    'repaired',
  ],
};
for (const [why, [damage, defect, next]] of Object.entries(DAMAGES)) {
  test(`CHECK finds ${why}, and the next ADD leaves it ${next}`, () =>
    onPod(async (node, pod) => {
      const call = node.podOf(pod);
      const add = await node.succeeds('ADD', call);
      await damage(pod, nodePathOf(node.ids[0] ?? ''));
      const { exitCode, json } = await node.call('CHECK', checkOf(call, add));
      assert.equal([exitCode, json.code], [1, 106], json.msg);
      assert.match(json.msg, `Cannot confirm macvtap "${BLUE}": `);
      assert.match(json.msg, defect);
      const again = await node.call('ADD', call);
      if (next === 'refused') {
        assert.is(again.json.code, 101, again.stdout);
        await pod.ip(`link del ${BLUE}`);
      } else {
        assert.equal(again.json, add.json);
        assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
        await hasOwnDevice(pod);
      }
      await node.succeeds('DEL', call);
    }));
}

test('CHECK accepts what later plugins of a chain may change, MAC and MTU', () =>
  onPod(async (node, pod) => {
    const call = node.podOf(pod);
    const add = await node.succeeds('ADD', call);
    await pod.ip(`link set ${BLUE} address ${MAC}`);
    await pod.ip(`link set ${BLUE} mtu 1300`);
    assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
    await node.succeeds('DEL', call);
  }));

test('CHECK finds promiscuous mode that is off, if ADD turned it on', () =>
  onPod(
    async (node, pod) => {
      const call = node.podOf(pod);
      const add = await node.succeeds('ADD', call);
      await pod.ip(`link set ${BLUE} promisc off`);
      const { json } = await node.call('CHECK', checkOf(call, add));
      assert.is(json.msg, `Cannot confirm macvtap "${BLUE}": macvtap "${BLUE}" has promiscuous mode off`);
      await node.succeeds('ADD', call);
      assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
      await node.succeeds('DEL', call);
    },
    { entry: { promisc: true } },
  ));

test('CHECK of a running pod does not need the node policy file, kubelet or the entry', () =>
  onPod(async (node, pod) => {
    const call = node.podOf(pod);
    const add = await node.succeeds('ADD', call);
    node.setPolicy({ resources: [] });
    assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
    await node.succeeds('DEL', call);
    node.setPolicy(node.policy);
  }));

// ---- DEL

everyWay('DEL succeeds without a netns, after the netns is gone, and after the link was deleted', () =>
  withMacvtapNode(async (node) => {
    const call = await withNetns(async (pod) => {
      const added = node.podOf(pod);
      await node.succeeds('ADD', added);
      await pod.ip(`link del ${BLUE}`);
      for (const _ of ['first', 'again']) assert.equal(await node.call('DEL', added), SILENCE);
      await node.succeeds('ADD', added);
      return added;
    });
    for (const one of [call, { ...call, netns: '' }]) assert.equal(await node.call('DEL', one), SILENCE);
  }),
);

test('DEL deletes a device node that ADD had to make, even if the link or the netns no longer exists', () =>
  withMacvtapNode(async (node) => {
    const path = nodePathOf(node.ids[0] ?? '');
    const withOwnNode = async (pod: TestNetns): Promise<Call> => {
      const call = node.podOf(pod);
      await node.succeeds('ADD', call);
      rmSync(path);
      await node.succeeds('ADD', call);
      await hasOwnDevice(pod);
      return call;
    };
    await withNetns(async (pod) => {
      const call = await withOwnNode(pod);
      await pod.ip(`link del ${BLUE}`);
      assert.ok(existsSync(path), 'the kernel deletes only what it has made');
      await node.succeeds('DEL', call);
      assert.not(existsSync(path));
    });
    const gone = await withNetns(withOwnNode);
    await withDeadNode(ifindexOf(node.ids[0] ?? ''));
    await node.succeeds('DEL', gone);
    assert.not(existsSync(path));
  }));

/** Waits until the device of a device node no longer exists. */
async function withDeadNode(ifindex: number): Promise<void> {
  while ((await openAsQemu(ifindex)).exitCode === 0) await new Promise((next) => setTimeout(next, 10));
}

test('DEL of another container, network or configuration leaves a pod as it is', () =>
  onPod(async (node, pod) => {
    const call = node.podOf(pod);
    const add = await node.succeeds('ADD', call);
    const other: Call = { ...call, containerId: 'another' };
    for (const one of [other, { ...call, ifname: 'net1' }, { ...other, netns: '' }, { ...call, netns: '' }])
      assert.equal(await node.call('DEL', one), SILENCE);
    assert.equal(await node.call('CHECK', checkOf(call, add)), SILENCE);
    await hasOwnDevice(pod);
    await node.succeeds('DEL', { ...call, conf: { binding: 'macvtap', deviceID: '' } });
  }));

test('DEL succeeds with a configuration that ADD rejects, and leaves nothing', () =>
  onPod(async (node, pod) => {
    const call = node.podOf(pod);
    for (const conf of [
      { deviceID: `${node.resource}-0000000001` },
      { deviceID: node.ids[9] },
      { deviceID: '../../etc/passwd' },
      { deviceID: 5 },
      { mtu: 9000 },
      { owner: 'none' },
      { binding: 'unknown' },
    ]) {
      const rejected = { ...call, conf: { ...call.conf, ...conf } };
      assert.is((await node.call('ADD', rejected)).exitCode, 1, JSON.stringify(conf));
      assert.equal(await node.call('DEL', rejected), SILENCE);
      assert.is(showDeviceNode(ifindexOf(node.ids[0] ?? '')), null);
    }
  }));

everyWay.run();
