/**
 * containerd gives a container the device node of a macvtap that ADD made: as kubelet asks for it,
 * with a path that was decided before there was a device.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ended, startContainer } from '../helpers/cluster/containerd/kubelet.ts';
import {
  addMacvtap,
  deleteMacvtap,
  deviceNumberOf,
  type MacvtapPod,
  type MacvtapPods,
  withMacvtaps,
} from '../helpers/cluster/containerd/macvtap.ts';
import { PAUSE_IMAGE } from '../helpers/cluster/containerd/pause-image.ts';
import { removePod } from '../helpers/cluster/containerd/pods.ts';
import { inOneWay } from '../helpers/plugin/way.ts';

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
