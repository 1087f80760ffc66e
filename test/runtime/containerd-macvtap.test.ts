/**
 * containerd gives a container the device node of a macvtap that ADD made: as kubelet asks for it,
 * with a path that was decided before there was a device.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { callPlugin } from '../helpers/cluster/containerd/call-plugin.ts';
import { ended, startContainer } from '../helpers/cluster/containerd/kubelet.ts';
import {
  addMacvtap,
  allowMacvtap,
  deleteMacvtap,
  deviceNumberOf,
  type MacvtapPod,
  type MacvtapPods,
  runPodWithDevice,
  withMacvtaps,
} from '../helpers/cluster/containerd/macvtap.ts';
import { PAUSE_IMAGE } from '../helpers/cluster/containerd/pause-image.ts';
import { removePod } from '../helpers/cluster/containerd/pods.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns } from '../helpers/pod/netns.ts';

const everyWay = suite('containerd: macvtap');
const test = inOneWay(everyWay);

/** Where a container finds the device node of another pod. */
const NEIGHBOUR = '/neighbour';

let attempts = 0;

/**
 * Runs a container as virt-launcher's: uid 107, no capabilities, and the device nodes that kubelet
 * names. Returns what it says of each file: its number, owner and mode, and whether it can be
 * opened.
 */
async function lookFrom(
  node: MacvtapPods,
  { pod, config }: MacvtapPod,
  devices: readonly string[],
  mounts: readonly { container_path: string; host_path: string }[] = [],
): Promise<string> {
  const files = [...devices, ...mounts.map(({ container_path }) => container_path)];
  const script = `for file in ${files.join(' ')}; do
    /bin/busybox stat -c "%t:%T %u:%g %a" $file
    (exec 3<>$file && echo open) 2>&1
  done`;
  const container = {
    metadata: { name: 'compute', attempt: attempts++ },
    image: { image: PAUSE_IMAGE },
    command: ['/bin/busybox', 'sh', '-c', script],
    devices: devices.map((path) => ({ container_path: path, host_path: path, permissions: 'rw' })),
    mounts,
    linux: {
      security_context: {
        run_as_user: { value: 107 },
        run_as_group: { value: 107 },
        capabilities: { drop_capabilities: ['ALL'] },
        no_new_privs: true,
      },
    },
  };
  const started = await startContainer(node, { sandbox: pod.id, config, container });
  await ended(node.cri, started);
  return started.log().trim();
}

/** What a container says of a pod's own device node. */
const own = async (pod: MacvtapPod) => `${await deviceNumberOf(pod)} 107:107 600\nopen`;

everyWay('a container opens the device node of its own macvtap as uid 107, and not that of a neighbour', () =>
  withMacvtaps(async (node) => {
    const pod = await addMacvtap(node, 0);
    const neighbour = await addMacvtap(node, 1);
    const mount = { container_path: NEIGHBOUR, host_path: neighbour.path };
    const [mine, others] = [await own(pod), (await own(neighbour)).replace(/\nopen$/, '')];
    assert.is(
      await lookFrom(node, pod, [pod.path], [mount]),
      `${mine}\n${others}\nsh: can't create ${NEIGHBOUR}: Operation not permitted`,
    );
    // The same file can be opened if the container has the device.
    assert.is(
      await lookFrom(node, pod, [pod.path, neighbour.path], [mount]),
      `${mine}\n${others}\nopen\n${others}\nopen`,
    );
    await deleteMacvtap(node, pod);
    await deleteMacvtap(node, neighbour);
  }),
);

test('a pod that gets a new sandbox before the kernel has cleaned up the old one has the right device', () =>
  withMacvtaps(async (node) => {
    let pod = await addMacvtap(node, 0);
    for (let attempt = 1; attempt <= 5; attempt++) {
      assert.is(await lookFrom(node, pod, [pod.path]), await own(pod), `sandbox ${attempt}`);
      await removePod(node, pod.pod); // no DEL: the netns goes with the macvtap in it
      pod = await addMacvtap(node, 0);
    }
    await deleteMacvtap(node, pod);
  }));

test('on a node with a /dev of its own, as in KinD, ADD makes the device node and DEL deletes it', () =>
  withMacvtaps(async (node) => {
    await ownDev(node);
    const pod = await addMacvtap(node, 0);
    assert.is(await lookFrom(node, pod, [pod.path]), await own(pod));
    await deleteMacvtap(node, pod);
    assert.equal(await nodesIn(node), []);
  }));

/** A fault on the node, what the pod's event says, and how an administrator ends it. */
interface Fault {
  readonly make: (node: MacvtapPods) => unknown;
  readonly says: RegExp;
  readonly end: (node: MacvtapPods) => unknown;
  readonly conf?: Readonly<Record<string, unknown>>;
}

const nodeFile = ({ root }: MacvtapPods) => `${root}/etc/tapwire/node.json`;
const socketOf = ({ root }: MacvtapPods) => `${root}/run/kubelet/pod-resources/kubelet.sock`;
const allow = (node: MacvtapPods) => allowMacvtap(node, node.resource);
const nothing = () => {};

const FAULTS: Readonly<Record<string, Fault>> = {
  'there is no node policy file': {
    make: (node) => rmSync(nodeFile(node)),
    says: /has no "c[0-9a-f]{10}"$/,
    end: allow,
  },
  'the lower device is missing': {
    make: (node) => allowMacvtap(node, node.resource, { lowerDevice: 'gone0' }),
    says: /^Cannot add macvtap "pod\w+" on "gone0": this node has no such link; \$\.macvtap\.resources\[0\]/,
    end: allow,
  },
  'kubelet does not run': {
    make: (node) => renameSync(socketOf(node), `${socketOf(node)}.old`),
    says: /^Cannot ask kubelet at "\/run\/kubelet\/pod-resources\/kubelet.sock" .*; check that kubelet runs/,
    end: (node) => renameSync(`${socketOf(node)}.old`, socketOf(node)),
  },
  'the device is that of another pod': {
    make: nothing,
    says: /^Cannot add macvtap .*: kubelet did not give it to pod "vms\/virt-launcher-vm0-abcde"/,
    end: nothing,
    conf: { deviceID: 1 },
  },
  'the MTU is too large': {
    make: nothing,
    says: /^Cannot read \$\.mtu: want at most 1500, the mtu of "uplink0", got 9000$/,
    end: nothing,
    conf: { mtu: 9000 },
  },
  "the MAC is a neighbour's": {
    make: nothing,
    says: /^Cannot set "pod\w+" up: .*Address already in use/,
    end: nothing,
    conf: { mac: '02:00:00:00:00:77' },
  },
};

test('after each fault, the pod has no macvtap and the node no device node, and then a pod runs', () =>
  withMacvtaps(async (node) => {
    const neighbour = await runPodWithDevice(node, 1);
    const { request } = neighbour;
    const conf = { ...request.conf, mac: '02:00:00:00:00:77' };
    assert.is((await callPlugin(node, 'ADD', neighbour.pod, { ...request, conf })).exitCode, 0);
    const pod = await runPodWithDevice(node, 0);
    const call = (command: string, keys: object = {}) =>
      callPlugin(node, command, pod.pod, { ...pod.request, conf: { ...pod.request.conf, ...keys } });
    const before = await dumpNetns(pod.pod.netns);
    for (const [why, { make, says, end, conf: keys = {} }] of Object.entries(FAULTS)) {
      await make(node);
      const { exitCode, stdout } = await call('ADD', 'deviceID' in keys ? { deviceID: node.ids[1] } : keys);
      assert.is(exitCode, 1, why);
      assert.match(JSON.parse(stdout).msg, says, why);
      sameNetns(await dumpNetns(pod.pod.netns), before, why);
      assert.is(existsSync(pod.path), false, why);
      assert.match(
        await refusalOf(lookFrom(node, pod, [pod.path])),
        `${pod.path}: no such file or directory`,
      );
      await end(node);
      assert.is((await call('DEL')).exitCode, 0, why);
    }
    assert.is((await call('ADD')).exitCode, 0);
    assert.is(await lookFrom(node, pod, [pod.path]), await own(pod));
    await deleteMacvtap(node, pod);
    await deleteMacvtap(node, neighbour);
  }));

const refusalOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'no refusal',
    (error: Error) => error.message,
  );

/** Replaces the node's /dev by a tmpfs with what a container runtime puts there. */
async function ownDev(node: MacvtapPods): Promise<void> {
  const script = `
    mkdir /run/dev; mount -t tmpfs -o mode=755 tmpfs /run/dev
    cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/fuse /run/dev 2>/dev/null || true
    mkdir /run/dev/net /run/dev/pts /run/dev/shm; cp -a /dev/net/tun /run/dev/net
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /run/dev/pts; ln -s pts/ptmx /run/dev/ptmx
    mount --rbind /run/dev /dev`;
  await inNode(node, 'sh', '-ec', script);
}

const inNode = ({ init }: MacvtapPods, ...words: readonly string[]) =>
  execa('nsenter', [`--target=${init}`, '--mount', '--pid', ...words]);

/** Names of the device nodes of macvtaps in the node's /dev. */
const nodesIn = async (node: MacvtapPods): Promise<readonly string[]> =>
  (await inNode(node, 'ls', '/dev')).stdout.split('\n').filter((name) => /^tap\d+$/.test(name));

everyWay.run();
