/**
 * The macvtap binding's core against the real kernel, where a unit test would only repeat what the
 * code assumes: settings that the kernel treats differently, and processes of a pod that choose
 * names, indexes and aliases.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findDefects } from '../../cni/bindings/macvtap/check.ts';
import { newMacvtap, planAdd } from '../../cni/bindings/macvtap/plan-add.ts';
import { requireOurLink } from '../../cni/bindings/macvtap/requirements.ts';
import { deleteStaleNode } from '../../cni/kernel/device-node.ts';
import { type Kernel, openKernel } from '../../cni/kernel/kernel.ts';
import { apply, attempt } from '../../cni/plan/apply.ts';
import { setLink } from '../../cni/plan/op.ts';
import { recordOf } from '../../cni/plan/ours.ts';
import { planDel } from '../../cni/plan/plan-del.ts';
import { firstIfindexOf } from '../../shared/kubelet/device-id.ts';
import { native } from '../../shared/native/native.ts';
import type { AttachmentKey, MacvtapRecord } from '../../shared/record.ts';
import { caught } from '../helpers/caught.ts';
import { type TestNetns, withNetns } from '../helpers/pod/netns.ts';

const test = suite('macvtap on a real kernel');

const KEY: AttachmentKey = { containerId: 'pod1', ifname: 'net1' };

/** A lower device in the netns of this process, and an index that no other test uses. */
interface Node {
  readonly lower: string;
  readonly ifindex: number;
  readonly path: string;
}

async function withNode(act: (node: Node) => Promise<void>): Promise<void> {
  const id = randomBytes(4).toString('hex');
  const lower = `twl${id}`;
  const ifindex = firstIfindexOf(`test-${id}`);
  await execa('ip', ['link', 'add', lower, 'type', 'veth', 'peer', 'name', `twp${id}`]);
  try {
    await act({ lower, ifindex, path: `/dev/tap${ifindex}` });
  } finally {
    await execa('ip', ['link', 'del', lower]);
    rmSync(`/dev/tap${ifindex}`, { force: true, recursive: true });
  }
}

async function withKernel<T>(
  { path }: TestNetns,
  act: (kernel: Kernel) => Promise<T>,
  deviceDirectory = '/dev',
) {
  const fd = openSync(path, 'r');
  const kernel = openKernel(fd, { deviceDirectory });
  try {
    return await act(kernel);
  } finally {
    await kernel.close();
    closeSync(fd);
  }
}

const recordOn = (lowerDevice: string, changes: Partial<MacvtapRecord> = {}): MacvtapRecord => ({
  ...{ key: KEY, binding: 'macvtap', lowerDevice, mode: 'bridge', mac: '02:00:00:00:00:0a', mtu: 1500 },
  ...{ owner: 107, group: 107, allmulticast: true, promisc: false },
  ...changes,
});

/** Does what ADD does, without the policy and kubelet. */
const add = (
  pod: TestNetns,
  { lower, ifindex }: Node,
  changes: Partial<MacvtapRecord> = {},
  directory?: string,
) =>
  withKernel(
    pod,
    async (kernel) => {
      const record = recordOn(lower, changes);
      const found = await kernel.readLower(lower, false);
      assert.ok(found, 'the lower device is there');
      const { links } = await kernel.observe();
      const earlier = requireOurLink(record, ifindex, links);
      await apply(planAdd(record, newMacvtap(record, ifindex, found.link, 1), earlier), kernel.run);
    },
    directory,
  );

const del = (pod: TestNetns, node: number | null = null, key = KEY, directory?: string) =>
  withKernel(
    pod,
    async (kernel) => {
      const ops = planDel(key, await kernel.observe(), node);
      assert.equal(await attempt(ops, kernel.run), []);
      return ops.map((op) => op.op);
    },
    directory,
  );

const defects = (pod: TestNetns) =>
  withKernel(pod, async (kernel) => {
    const link = (await kernel.observe()).links.find(({ ifname }) => ifname === KEY.ifname);
    const record = link && recordOf(link, KEY);
    assert.ok(link && record?.binding === 'macvtap', 'the macvtap has its record');
    return findDefects({ link, record, ...(await kernel.readDeviceNode(link)) });
  });

const inDirectory = async (act: (directory: string) => Promise<void>): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'tw-dev-'));
  try {
    await act(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
};

const shown = async (pod: TestNetns, ifname = KEY.ifname) =>
  JSON.parse(await pod.ip(`-d -j link show ${ifname}`))[0];

test('ADD gives what it promises, and the kernel shows it', () =>
  withNode((node) =>
    withNetns(async (pod) => {
      await add(pod, node);
      const link = await shown(pod);
      assert.equal(
        [link.ifindex, link.address, link.mtu, link.txqlen, link.linkinfo.info_data.mode],
        [node.ifindex, '02:00:00:00:00:0a', 1500, 1000, 'bridge'],
      );
      assert.equal([link.inet6_addr_gen_mode, link.flags.includes('UP')], ['none', true]);
      assert.equal(await defects(pod), []);
      const { uid, gid, mode } = statSync(node.path);
      assert.equal([uid, gid, (mode & 0o7777).toString(8)], [107, 107, '600']);
      await add(pod, node);
      await del(pod);
      assert.not(existsSync(node.path));
    }),
  ));

test('a link with an MTU below 1280, which has no IPv6 to disable, goes up and has its device node', () =>
  withNode((node) =>
    withNetns(async (pod) => {
      await add(pod, node, { mtu: 1000 });
      assert.ok((await shown(pod)).flags.includes('UP'));
      assert.equal(await defects(pod), []);
      await del(pod);
    }),
  ));

/** How many have turned on allmulticast of the lower device. */
const allmultiOf = async ({ lower }: Node): Promise<number> =>
  JSON.parse((await execa('ip', ['-d', '-j', 'link', 'show', lower])).stdout)[0].allmulti;

for (const mode of ['private', 'vepa', 'bridge', 'passthru'] as const) {
  test(`mode "${mode}": an ADD that fails at its last step leaves the lower device as it was`, () =>
    inDirectory((directory) =>
      withNode((node) =>
        withNetns(async (pod) => {
          const missing = join(directory, 'missing');
          const error = await caught(() => add(pod, node, { mode }, missing));
          assert.match(error.message, /^Cannot give "net1" its device node /);
          assert.is(await allmultiOf(node), 0);
          assert.not.match(await pod.ip('-o link show'), /net1/);
        }),
      ),
    ));

  test(`mode "${mode}": the link has the MAC that the guest uses, and DEL leaves the lower device as it was`, () =>
    withNode((node) =>
      withNetns(async (pod) => {
        const macOfLower = () => readFileSync(`/sys/class/net/${node.lower}/address`, 'utf8').trim();
        const before = macOfLower();
        await add(pod, node, { mode });
        const { address, linkinfo } = await shown(pod);
        assert.equal([address, linkinfo.info_data.mode], ['02:00:00:00:00:0a', mode]);
        assert.is(macOfLower(), mode === 'passthru' ? '02:00:00:00:00:0a' : before);
        assert.equal(await defects(pod), []);
        assert.is(await allmultiOf(node), 1, 'allmulticast of the lower device');
        await del(pod);
        assert.equal([macOfLower(), await allmultiOf(node)], [before, 0]);
      }),
    ));
}

test('a name with a dot, which sysctl(8) would read as a directory, has IPv6 disabled', () =>
  withNode((node) =>
    withNetns(async (pod) => {
      const key = { ...KEY, ifname: 'a.b' };
      await add(pod, node, { key });
      const file = '/proc/sys/net/ipv6/conf/a.b/disable_ipv6';
      const { stdout } = await execa('ip', ['netns', 'exec', pod.name, 'cat', file]);
      assert.is(stdout, '1');
      await del(pod, null, key);
    }),
  ));

test('a lower device that vanishes after it was seen fails ADD, which leaves nothing', () =>
  withNode((node) =>
    withNetns(async (pod) => {
      const before = await pod.ip('-o link show');
      const error = await caught(() =>
        withKernel(pod, async (kernel) => {
          const record = recordOn(node.lower);
          const found = await kernel.readLower(node.lower, false);
          assert.ok(found);
          const gone = { ...found.link, ifindex: 2 ** 28 };
          await apply(planAdd(record, newMacvtap(record, node.ifindex, gone, 1), 'none'), kernel.run);
        }),
      );
      assert.match(
        error.message,
        /^Cannot add macvtap "net1": .*; the lower device no longer exists; try again/,
      );
      assert.is(await pod.ip('-o link show'), before);
      assert.not(existsSync(node.path));
    }),
  ));

// ---- processes in other pods

/** Creates a macvtap as a process with NET_ADMIN can in its own pod, on a link of its own. */
async function forge(pod: TestNetns, ifname: string, ifindex: number, alias = ''): Promise<void> {
  await pod.ip(`link add own0 type veth peer name own1`);
  await pod.ip(`link add link own0 name ${ifname} index ${ifindex} type macvtap mode bridge`);
  if (alias !== '') await execa('ip', ['-n', pod.name, 'link', 'set', ifname, 'alias', alias]);
}

const FORGED = 'tapwire/1 container=evil ifname=net1 binding=macvtap link=own0 mode=bridge owner=0 group=0';
const EVIL: AttachmentKey = { containerId: 'evil', ifname: 'net1' };

for (const [why, alias] of [
  ['with our alias', FORGED],
  ['without an alias, as if ADD had not finished', ''],
] as const) {
  test(`DEL of a pod that forged the index of another pod's macvtap leaves that device node: ${why}`, () =>
    withNode((node) =>
      withNetns((pod) =>
        withNetns(async (evil) => {
          await add(pod, node);
          const before = lstatSync(node.path);
          await forge(evil, 'net1', node.ifindex, alias);
          assert.equal(await del(evil, node.ifindex, EVIL), ['deleteLink', 'deleteDeviceNode']);
          const after = lstatSync(node.path);
          assert.equal([after.rdev, after.ino, after.uid], [before.rdev, before.ino, 107]);
          assert.equal(await defects(pod), []);
          await del(pod);
        }),
      ),
    ));
}

test("a device node that was made for another pod's link gives way to that of ADD, and CHECK in that pod tells nothing of it", () =>
  withNode((node) =>
    withNetns((pod) =>
      withNetns(async (evil) => {
        await forge(evil, 'net1', node.ifindex, FORGED.replace('=evil', '=pod1'));
        const evils = lstatSync(node.path).rdev;
        await add(pod, node);
        assert.is.not(lstatSync(node.path).rdev, evils);
        assert.equal(await defects(pod), []);
        const told = (await defects(evil)).filter((defect) => defect.startsWith('device node'));
        assert.equal(told, [`device node ${node.path} is not that of "net1"`]);
        // The kernel deletes only the node that it made itself.
        await evil.ip('link del net1');
        assert.equal(await defects(pod), []);
        await del(pod);
        assert.not(existsSync(node.path));
      }),
    ),
  ));

test('DEL of a forged index that Tapwire never chooses leaves the file', () =>
  withNetns(async (pod) => {
    const ifindex = 2 ** 28 + randomBytes(3).readUIntBE(0, 3);
    const path = `/dev/tap${ifindex}`;
    writeFileSync(path, 'of another program');
    try {
      await forge(pod, 'net1', ifindex, FORGED);
      await del(pod, null, EVIL);
      assert.is(readFileSync(path, 'utf8'), 'of another program');
    } finally {
      rmSync(path);
    }
  }));

test('DEL deletes a device node that ADD had to make, even if the link went with its lower device', () =>
  inDirectory((directory) =>
    withNode((node) =>
      withNetns(async (pod) => {
        const path = join(directory, `tap${node.ifindex}`);
        await add(pod, node, {}, directory);
        await pod.ip('link del net1');
        assert.ok(existsSync(path), 'the kernel leaves a node that it has not made');
        assert.equal(await del(pod, node.ifindex, KEY, directory), ['deleteDeviceNode']);
        assert.not(existsSync(path));
      }),
    ),
  ));

test('a hundred links with a forged record do not make DEL fail', () =>
  withNode((node) =>
    withNetns(async (pod) => {
      await pod.ip('link add own0 type veth peer name own1');
      const lines = Array.from({ length: 100 }, (_, i) =>
        [
          `link add link own0 name evil${i} index ${node.ifindex + 100 + i} type macvtap mode bridge`,
          `link set evil${i} alias "${FORGED}"`,
        ].join('\n'),
      );
      await execa('ip', ['-n', pod.name, '-batch', '-'], { input: lines.join('\n') });
      await del(pod, null, EVIL);
      assert.not.match(await pod.ip('-o link show'), /evil/);
    }),
  ));

// ---- files in the place of a device node

for (const [why, put] of [
  ['a symlink to a file', (path: string, target: string) => symlinkSync(target, path)],
  ['a file', (path: string) => writeFileSync(path, 'x')],
  ['the node of another device', (path: string) => native.makeDevice(path, 1, 3)],
] as const) {
  test(`ADD replaces ${why} by the device node, and changes no other file`, () =>
    inDirectory((directory) =>
      withNode((node) =>
        withNetns(async (pod) => {
          const path = join(directory, `tap${node.ifindex}`);
          const target = join(directory, 'target');
          writeFileSync(target, 'x', { mode: 0o644 });
          put(path, target);
          await add(pod, node, {}, directory);
          const { uid, mode } = statSync(target);
          assert.equal([uid, (mode & 0o7777).toString(8), readFileSync(target, 'utf8')], [0, '644', 'x']);
          assert.ok(lstatSync(path).isCharacterDevice());
          assert.is(lstatSync(path).rdev, lstatSync(node.path).rdev);
          await del(pod);
        }),
      ),
    ));
}

test('ADD fails because of a directory in the place of the device node, and leaves nothing else', () =>
  inDirectory((directory) =>
    withNode((node) =>
      withNetns(async (pod) => {
        const path = join(directory, `tap${node.ifindex}`);
        mkdirSync(path);
        writeFileSync(join(path, 'file'), 'x');
        const error = await caught(() => add(pod, node, {}, directory));
        assert.is(error.code, 'KERNEL_REFUSED');
        assert.match(error.message, /^Cannot delete the old device node \/dev\/tap\d+: /);
        assert.is(readFileSync(join(path, 'file'), 'utf8'), 'x');
        assert.not.match(await pod.ip('-o link show'), /net1/);
      }),
    ),
  ));

test('a device node is not touched after an op that the kernel refused, unless the run goes on', () =>
  withNetns((pod) =>
    inDirectory(async (directory) => {
      const levels = [
        [setLink('lo', { set: 'mtu', mtu: 2 ** 31 })],
        [{ op: 'deleteDeviceNode', ifindex: 77 }],
      ] as const;
      const run = (continueOnError: boolean) =>
        withKernel(pod, (kernel) => kernel.run(levels, continueOnError), directory);
      const [refused, second] = await run(false);
      assert.instance(refused, Error);
      assert.is(second, 'notReached');
      assert.is((await run(true))[1], 'done');
    }),
  ));

test('a stale device node is deleted, and one that some link has is not', () =>
  inDirectory((directory) =>
    withNode((node) =>
      withNetns(async (pod) => {
        await add(pod, node);
        const { rdev } = lstatSync(node.path);
        const path = join(directory, `tap${node.ifindex}`);
        native.makeDevice(path, rdev >>> 8, rdev & 0xff);
        deleteStaleNode(directory, node.ifindex);
        assert.ok(existsSync(path), 'a link has this device and this index');
        await del(pod);
        deleteStaleNode(directory, node.ifindex);
        assert.not(existsSync(path));
      }),
    ),
  ));

test.run();
