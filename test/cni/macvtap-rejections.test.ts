/**
 * What ADD of a macvtap rejects: each time it says why, and leaves the pod, the node and /dev as
 * they were.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Call } from '../helpers/plugin/cni.ts';
import {
  argsOf,
  BLUE,
  hasOwnDevice,
  ifindexOf,
  LOWER,
  type MacvtapNode,
  type NodeOptions,
  podName,
  withMacvtapNode,
} from '../helpers/plugin/macvtap-node.ts';
import type { Behaviour } from '../helpers/plugin/pod-resources.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const everyWay = suite('ADD of a macvtap');
const test = inOneWay(everyWay);

const MAC = '02:00:00:00:0a:0b';
const NODE_FILE = '/etc/tapwire/node.json';

interface Stage {
  readonly node: MacvtapNode;
  readonly pod: TestNetns;
  /** The valid call of which rejected ones are variants. */
  readonly call: Call;
  /** Fails unless ADD is rejected like this and changes nothing. */
  rejects(why: string, call: Call, code: number, message: RegExp | string): Promise<void>;
}

const onStage = (act: (stage: Stage) => Promise<unknown>, options?: NodeOptions): Promise<void> =>
  withMacvtapNode(
    (node) =>
      withNetns((pod) =>
        act({
          node,
          pod,
          call: node.podOf(pod),
          async rejects(why, call, code, message) {
            const [podBefore, nodeBefore] = [await dumpNetns(pod), await dumpNetns(node.netns)];
            const { exitCode, json } = await node.call('ADD', call);
            assert.equal([exitCode, json?.code], [1, code], `${why}: ${JSON.stringify(json)}`);
            if (typeof message === 'string') assert.is(json.msg, message, why);
            else assert.match(json.msg, message, why);
            sameNetns(await dumpNetns(pod), podBefore, `${why}: the pod is as it was`);
            sameNetns(await dumpNetns(node.netns), nodeBefore, `${why}: the node is as it was`);
            assert.equal(node.deviceNodes(), [], why);
          },
        }),
      ),
    options,
  );

const withConf = (call: Call, conf: Readonly<Record<string, unknown>>): Call => ({
  ...call,
  conf: { ...call.conf, ...conf },
});

everyWay('ADD rejects a device that kubelet did not give to the pod', () =>
  onStage(async ({ node, call, rejects }) => {
    const { resource, ids, kubelet } = node;
    const [own = '', foreign = '', misnamed = ''] = ids;
    kubelet.give(podName(1), `tapwire.io/${resource}`, [foreign]);
    kubelet.give(podName(0), `example.org/${resource}`, [misnamed]);
    const notGiven = /: kubelet did not give it to pod "[\w/-]+"; leave \$\.deviceID to Multus, and let/;
    const as = (namespace: string, name: string): Call => ({
      ...call,
      env: { CNI_ARGS: argsOf({ namespace, name }) },
    });
    for (const [why, one, code, message] of [
      ['of another pod', withConf(call, { deviceID: foreign }), 107, notGiven],
      ['of nobody', withConf(call, { deviceID: ids[9] }), 107, notGiven],
      ['of a resource with another domain', withConf(call, { deviceID: misnamed }), 107, notGiven],
      ['of a pod of another namespace', as('other', podName(0).name), 107, notGiven],
      ['of a pod with another name', as('vms', 'virt-launcher-vm0'), 107, notGiven],
      [
        'of a pod without a name',
        { ...call, env: { CNI_ARGS: 'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms' } },
        107,
        `Cannot add macvtap "${BLUE}" with device "${own}": the runtime did not name the pod in CNI_ARGS`,
      ],
      [
        'of another plugin',
        withConf(call, { deviceID: '0000:03:02.0' }),
        7,
        'Cannot read $.deviceID: want the id of a device of Tapwire\'s resources, got "0000:03:02.0"',
      ],
      [
        'outside of the range of its resource',
        withConf(call, { deviceID: `${resource}-0000000001` }),
        7,
        /^Cannot read \$\.deviceID: want the id of a device of Tapwire's resources, got /,
      ],
      [
        'in the place of the one from Multus',
        withConf(call, { runtimeConfig: { deviceID: foreign } }),
        107,
        notGiven,
      ],
      [
        'that is empty',
        withConf(call, { deviceID: '' }),
        7,
        /there is no \$\.deviceID, so kubelet gave the pod no device.*ExternalNetResourceInjection.*network-resources-injector$/,
      ],
    ] as const) {
      await rejects(`a device ${why}`, one, code, message);
    }
    await node.succeeds('ADD', call);
    await node.succeeds('DEL', call);
  }),
);

test('ADD rejects what the node policy file does not allow, and names the key', () =>
  onStage(
    async ({ node, pod, call, rejects }) => {
      const { resource, ids } = node;
      const master = node.masterPodOf(pod);
      const eth0 = { ...call, ifname: 'eth0' };
      const unlisted = `Cannot add macvtap "${BLUE}": $.macvtap.masters of ${NODE_FILE} on this node does not list`;
      await rejects('master', withConf(master, { master: 'eth9' }), 107, `${unlisted} "eth9"`);
      await rejects(
        'master of another device than the resource',
        withConf(call, { master: 'eth9' }),
        7,
        `Cannot read $.master: want "${LOWER}", the lower device of "tapwire.io/${resource}", or no such key, got "eth9"`,
      );
      for (const [one, path] of [
        [call, '$.macvtap.resources[0]'],
        [master, '$.macvtap.masters[0]'],
      ] as const) {
        await rejects(
          'promiscMode',
          withConf(one, { promiscMode: true }),
          107,
          `Cannot add macvtap "${BLUE}": $.promiscMode is true, but ${path} of ${NODE_FILE} on this node does not allow it`,
        );
      }
      await rejects(
        'eth0',
        eth0,
        107,
        /^Cannot wire "eth0" as a network: every pod of this network would need/,
      );
      node.setPolicy({ ...node.policy, defaultNetwork: true });
      await node.succeeds('ADD', eth0);
      await node.succeeds('DEL', eth0);
      node.setPolicy({ ...node.policy, namespaces: ['other'] });
      await rejects(
        'a namespace',
        call,
        107,
        `Cannot wire pods of namespace "vms": $.macvtap.namespaces of ${NODE_FILE} on this node does not list it`,
      );
      node.setPolicy({ resources: [] });
      const unknown = `Cannot use device "${ids[0]}": $.macvtap.resources of ${NODE_FILE} on this node has no "${resource}"`;
      await rejects('a resource that is not listed', call, 107, unknown);
      await rejects('a master without a list', master, 107, `${unlisted} "${LOWER}"`);
      node.setPolicy(null);
      await rejects('a device without a file', call, 107, unknown);
      await rejects('a master without a file', master, 107, `${unlisted} "${LOWER}"`);
      node.setPolicy({ resources: [{ name: resource, lowerDevice: LOWER, mode: 'source' }] });
      await rejects(
        'a mode that does not exist',
        call,
        107,
        /^Cannot use node file .*: Cannot read \$\.macvtap\.resources\[0\]\.mode: want /,
      );
    },
    { master: {} },
  ));

test('ADD rejects keys and values that macvtap does not have', () =>
  onStage(async ({ node, pod, call, rejects }) => {
    const binding = { args: { cni: { logicNetworkName: 'default' } } };
    const first = (name: string) => ({
      prevResult: { cniVersion: '1.0.0', interfaces: [{ name, sandbox: pod.path }], ips: [] },
    });
    for (const [key, value, message] of [
      ['podLink', 'eth0', /no such key with binding "macvtap", which makes the pod link itself/],
      ['network', 'secondary', /no such key with binding "macvtap", which never takes the link/],
      ['multiQueue', true, /no such key with binding "macvtap", whose number of queues is \$\.queues/],
      ['selinuxContext', 'a:b:c', /no such key with binding "macvtap", whose device node gets its label/],
      ['guestAddresses', 'pod', /no such key with binding "macvtap", whose frames Tapwire does not see/],
      ['spoofGuard', 'mac', /no such key with binding "macvtap", whose frames Tapwire does not see/],
      ['mode', 'passthru', /^Cannot read \$\.mode: want no such key with binding "macvtap", /],
      ['lowerDevice', LOWER, /^Cannot read \$\.lowerDevice: want no such key with binding "macvtap", /],
      ['owner', 'none', /an integer, because a device node always has an owner/],
      ['owner', 2 ** 32 - 1, /^Cannot read \$\.owner: /],
      ['group', -1, /^Cannot read \$\.group: /],
      ['queues', 257, /^Cannot read \$\.queues: want an integer in 1\.\.256, got 257/],
      ['queues', 1.5, /^Cannot read \$\.queues: /],
      ['mac', 'ff:ff:ff:ff:ff:ff', /^Cannot read \$\.mac: /],
      ['promiscMode', 'yes', /^Cannot read \$\.promiscMode: /],
      ['master', '../eth0', /^Cannot read \$\.master: /],
      ['mtu', 67, /^Cannot read \$\.mtu: /],
      ['mtu', 1501, `Cannot read $.mtu: want at most 1500, the mtu of "${LOWER}", got 1501`],
    ] as const) {
      await rejects(`${key} ${value}`, withConf(call, { [key]: value }), 7, message);
    }
    await rejects(
      'a binding NAD',
      withConf(call, binding),
      7,
      /for network "default": a NetworkAttachmentDefinition with binding "macvtap" is a network of its own/,
    );
    await rejects(
      'a link of a plugin before it',
      withConf(call, first(BLUE)),
      7,
      /a plugin before it has made that link; let Tapwire be the first plugin of the network$/,
    );
    await rejects('the netns of the node', { ...call, netns: node.netns.path }, 8, /should not be the same/);
  }));

test('ADD adds its link to the result of a plugin that made another one', () =>
  onStage(async ({ node, pod, call }) => {
    const other = { name: 'net7', sandbox: pod.path };
    const ips = [{ interface: 0, address: '192.0.2.5/24' }];
    const prevResult = { cniVersion: '1.0.0', interfaces: [other], ips };
    const chained = withConf(call, { prevResult, mac: MAC });
    const own = { name: BLUE, mac: MAC, mtu: 1500, sandbox: pod.path };
    assert.equal((await node.succeeds('ADD', chained)).json, { ...prevResult, interfaces: [other, own] });
    await hasOwnDevice(pod);
    await node.succeeds('DEL', chained);
  }));

test('ADD rejects a lower device that cannot carry macvtaps, and says what to do', () =>
  onStage(async ({ node, call, rejects }) => {
    const { ip } = node.netns;
    const on = `Cannot add macvtap "${BLUE}" on`;
    await ip('link add br0 type bridge');
    await ip(`link set ${LOWER} master br0`);
    await rejects(
      'a bridge port',
      call,
      104,
      /; the lower device belongs to a bridge, bond or Open vSwitch; use a device that does not$/,
    );
    await ip(`link set ${LOWER} nomaster`);
    await ip('link del br0');
    await ip(`link set ${LOWER} name renamed0`);
    await rejects(
      'a missing device',
      call,
      100,
      `${on} "${LOWER}": this node has no such link; $.macvtap.resources[0].lowerDevice of the node policy file names it`,
    );
    await ip(`link set renamed0 name ${LOWER}`);
    await ip('tuntap add tun0 mode tun');
    node.setPolicy({ ...node.policy, resources: [{ name: node.resource, lowerDevice: 'tun0' }] });
    await rejects(
      'a device without Ethernet',
      call,
      102,
      `${on} "tun0": it does not carry Ethernet frames (tun)`,
    );
    node.setPolicy(node.policy);
    await node.succeeds('ADD', call);
    await node.succeeds('DEL', call);
  }));

test('ADD accepts a lower device that is down, and warns; the guest has a carrier when it goes up', () =>
  onStage(async ({ node, pod, call }) => {
    await node.netns.ip(`link set ${LOWER} down`);
    const { stderr } = await node.succeeds('ADD', call);
    assert.match(stderr, /which is down: no frame passes until it is up/);
    await hasOwnDevice(pod);
    await node.netns.ip(`link set ${LOWER} up`);
    assert.not.match(await pod.ip(`link show ${BLUE}`), /NO-CARRIER|M-DOWN/);
    await node.succeeds('DEL', call);
  }));

test('ADD in mode passthru rejects a device that the node uses', () =>
  onStage(
    async ({ node, pod, call, rejects }) => {
      const { ip } = node.netns;
      const reject = (why: string, use: string) =>
        rejects(
          why,
          call,
          107,
          `Cannot add macvtap "${BLUE}" on "${LOWER}": in mode "passthru" a VM takes all of the device, but ${use}; ` +
            'use mode "bridge", or another device',
        );
      await ip(`addr add 192.0.2.1/24 dev ${LOWER}`);
      await reject('an address', 'it has address 192.0.2.1/24');
      await ip(`addr flush dev ${LOWER}`);
      await ip(`addr add 2001:db8::1/64 dev ${LOWER} nodad`);
      await reject('an IPv6 address', 'it has address 2001:db8::1/64');
      await ip(`addr flush dev ${LOWER}`);
      await ip(`route add default dev ${LOWER}`);
      await reject('the default route', 'the default route leads through it');
      await ip('route del default');
      await ip(`link add other0 link ${LOWER} type macvlan mode bridge`);
      await rejects('another macvlan', call, 104, /; another macvtap or macvlan may have the whole device/);
      await ip('link del other0');
      await node.succeeds('ADD', call);
      await withNetns(async (second) => {
        const { json } = await node.call('ADD', node.podOf(second, 1));
        assert.equal([json.code, /the whole device/.test(json.msg)], [104, true], json.msg);
      });
      await node.succeeds('DEL', call);
      assert.is(await pod.ip('-o link show type macvtap'), '');
    },
    { entry: { mode: 'passthru', capacity: 1 } },
  ));

test('ADD rejects a MAC that another link on the lower device has', () =>
  onStage(async ({ node, call, rejects }) => {
    const used =
      /^Cannot set "pod[0-9a-f]+" up: Address already in use.*; check that its lower link is up, and that no other link on it has the same MAC$/;
    await node.netns.ip(`link set ${LOWER} address ${MAC}`);
    await rejects(
      'the MAC of the lower device',
      withConf(call, { mac: MAC }),
      104,
      /; check that its lower link is up, and that no other link on it has the same MAC$/,
    );
    await withNetns(async (other) => {
      const first = node.podOf(other, 1, { mac: '02:00:00:00:00:01' });
      await node.succeeds('ADD', first);
      const same = await node.call('ADD', withConf(call, { mac: '02:00:00:00:00:01' }));
      assert.equal([same.exitCode, same.json?.code], [1, 104]);
      assert.match(same.json.msg, used);
      await hasOwnDevice(other);
      await node.succeeds('DEL', first);
    });
  }));

test('ADD rejects a name or an index that another link in the pod has', () =>
  onStage(async ({ node, pod, call, rejects }) => {
    await pod.ip(`link add ${BLUE} type ifb`);
    await rejects(
      'the name',
      call,
      101,
      `Cannot add macvtap "${BLUE}": that name is taken by a ifb link that Tapwire did not make`,
    );
    await pod.ip(`link del ${BLUE}`);
    const ifindex = ifindexOf(node.ids[0] ?? '');
    await pod.ip(`link add other0 index ${ifindex} type ifb`);
    await rejects(
      'the index',
      call,
      101,
      `Cannot add macvtap "${BLUE}": its interface index ${ifindex} is that of "other0", a ifb link that Tapwire did not make`,
    );
    await pod.ip('link del other0');
    await node.succeeds('ADD', call);
    for (const [conf, key] of [
      [{ mtu: 1400 }, 'mtu'],
      [{ mac: MAC, owner: 0 }, 'mac, owner'],
    ] as const) {
      const { json } = await node.call('ADD', withConf(call, conf));
      assert.equal(
        [json.code, json.msg],
        [
          101,
          `Cannot add macvtap "${BLUE}": it exists with another ${key}; DEL it first, a VM may be using it`,
        ],
      );
    }
    const another = { ...call, containerId: 'another' };
    assert.match(
      (await node.call('ADD', another)).json.msg,
      /that name is taken by the Tapwire link of "pod/,
    );
    await hasOwnDevice(pod);
    await node.succeeds('DEL', call);
  }));

// ---- kubelet

for (const [why, behaviour, reason] of [
  ['never replies', 'hang', 'no reply within 5 s'],
  ['rejects every request by its rate limit', 'refuse', 'rejected by rate limit'],
  ['replies with something else than gRPC', 'garbage', ''],
] as const satisfies readonly (readonly [string, Behaviour, string])[]) {
  everyWay(`ADD asks the container runtime to try again if kubelet ${why}, and DEL succeeds`, () =>
    onStage(
      async ({ node, call, rejects }) => {
        const said = new RegExp(
          '^Cannot ask kubelet at ".*/pod-resources/kubelet\\.sock" for the devices of the pod: ' +
            `.*${reason}.*; check that kubelet runs, and \\$\\.macvtap\\.kubeletDirectory of the node policy file$`,
        );
        await rejects(why, call, 11, said);
        await node.succeeds('DEL', call);
      },
      { kubelet: behaviour },
    ),
  );
}

everyWay('ADD asks the container runtime to try again while there is no kubelet', () =>
  onStage(async ({ node, call, rejects }) => {
    node.setPolicy({ ...node.policy, kubeletDirectory: join(node.kubelet.directory, 'none') });
    await rejects(
      'no socket',
      call,
      11,
      /^Cannot ask kubelet at .*\/none\/pod-resources\/kubelet\.sock" for the devices/,
    );
    node.setPolicy(node.policy);
    await node.succeeds('ADD', call);
    await node.succeeds('DEL', call);
    rmSync(join(node.kubelet.directory, 'pod-resources/kubelet.sock'));
    await rejects('a socket that was removed', call, 11, /^Cannot ask kubelet at /);
  }),
);

everyWay.run();
