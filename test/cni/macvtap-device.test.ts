/**
 * The device node of a macvtap is that of this macvtap: while the netns of an earlier sandbox with
 * the same device is being deleted, and whatever file is at its path.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HANG } from '../helpers/hang.ts';
import {
  BLUE,
  hasOwnDevice,
  ifindexOf,
  type MacvtapNode,
  nodePathOf,
  OUTSIDE,
  openAsQemu,
  showDeviceNode,
  showMacvtap,
  withMacvtapNode,
} from '../helpers/plugin/macvtap-node.ts';
import { inOneWay, WAY } from '../helpers/plugin/way.ts';
import { type FrameSocket, withFrames } from '../helpers/pod/frames.ts';
import { recordNetns } from '../helpers/pod/ledger.ts';
import { type TestNetns, testNetns, withNetns } from '../helpers/pod/netns.ts';

const everyWay = suite('the device node of a macvtap');
const test = inOneWay(everyWay);

/** Rounds of the race: 200 for the way that serves nearly all calls. */
const ROUNDS = { agent: 200, 'one-shot': 20, fallback: 20 }[WAY];

/** What a pod has, so that the kernel takes as long to delete the netns as on a real node. */
const LINKS = [
  'link set lo up',
  'link add eth0 type veth peer name host0',
  'link add eth1 type veth peer name host1',
  'link add br0 type bridge',
  'link set host0 master br0',
  'link set eth0 up',
  'link set host0 up',
  'link set br0 up',
  'tuntap add tap0 mode tap',
  'addr add 192.0.2.10/24 dev eth0',
  'addr add 2001:db8::10/64 dev eth0 nodad',
  'route add default via 192.0.2.1',
];

/** A netns with links, which the caller deletes. */
async function newPod(): Promise<TestNetns> {
  const name = `tapwire-${randomBytes(4).toString('hex')}`;
  recordNetns(name);
  await execa('ip', ['netns', 'add', name]);
  await execa('ip', ['-n', name, '-batch', '-'], { input: `${LINKS.join('\n')}\n` });
  return testNetns(name);
}

const deletePod = ({ name }: TestNetns) => execa('ip', ['netns', 'del', name]);

async function isRight(pod: TestNetns, why: string): Promise<void> {
  await hasOwnDevice(pod).catch((error) => {
    throw new Error(`${why}: ${error.message}`, { cause: error });
  });
  const { link } = await showMacvtap(pod);
  assert.equal(await openAsQemu(link.ifindex), { exitCode: 0, stderr: '' }, why);
}

everyWay(`ADD in a new netns gets its own device node while the old netns is deleted: ${ROUNDS} times`, () =>
  withMacvtapNode(async (node) => {
    let taken = 0;
    let pod = await newPod();
    try {
      await node.succeeds('ADD', node.podOf(pod));
      for (let round = 1; round <= ROUNDS; round++) {
        const next = await newPod();
        await deletePod(pod);
        pod = next;
        const isThere = showDeviceNode(ifindexOf(node.ids[0] ?? '')) !== null;
        await node.succeeds('ADD', node.podOf(pod), `round ${round}`);
        await isRight(pod, `round ${round}`);
        if (isThere) taken += 1;
      }
      console.log(`\n@ the old device node was still there before ${taken} of ${ROUNDS} ADDs by ${WAY}`);
      assert.ok(taken > ROUNDS / 10, 'the race happens');
    } finally {
      await deletePod(pod);
    }
  }),
);

test('ADD waits for the old netns in several pods at once, and each gets its own device node', () =>
  withMacvtapNode(async (node) => {
    const numbers = Array.from({ length: 10 }, (_, i) => i);
    const add = async () => {
      const pods = await Promise.all(numbers.map(newPod));
      return { pods, calls: pods.map((pod, i) => node.podOf(pod, i)) };
    };
    let { pods, calls } = await add();
    try {
      for (let round = 0; round < 5; round++) {
        await Promise.all(calls.map((call) => node.succeeds('ADD', call, `round ${round}`)));
        await Promise.all(pods.map((pod) => isRight(pod, `round ${round}`)));
        const old = pods;
        ({ pods, calls } = await add());
        await Promise.all(old.map(deletePod));
      }
    } finally {
      await Promise.all(pods.map(deletePod));
    }
  }));

/** Keeps a netns alive while `act` runs, as a process that outlives its pod does. */
async function withProcessIn<T>({ path }: TestNetns, act: () => Promise<T>): Promise<T> {
  const child = spawn('nsenter', [`--net=${path}`, 'sh', '-c', 'echo ready; read -r _'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    return await act();
  } finally {
    child.stdin.end();
    await once(child, 'exit');
  }
}

everyWay(
  'ADD replaces the device node of a sandbox that a process keeps alive; CHECK of that one fails',
  () =>
    withMacvtapNode(async (node) => {
      const old = await newPod();
      const first = node.podOf(old);
      const add = await node.succeeds('ADD', first);
      const before = showDeviceNode(ifindexOf(node.ids[0] ?? ''));
      await withProcessIn(old, () =>
        withNetns(async (pod) => {
          const call = node.podOf(pod);
          // The static MAC of both would be the same, and the old link still has it.
          const other = { ...call, conf: { ...call.conf, mac: '02:00:00:00:00:02' } };
          await node.succeeds('ADD', other);
          await isRight(pod, 'the new sandbox');
          assert.is.not(showDeviceNode(ifindexOf(node.ids[0] ?? '')), before);
          const check = await node.call('CHECK', { ...first, conf: { ...first.conf, prevResult: add.json } });
          assert.match(check.json.msg, /device node \/dev\/tap\d+ is not that of/);
          await node.succeeds('DEL', first);
          await isRight(pod, 'after DEL of the old sandbox');
          await node.succeeds('DEL', other);
          await deletePod(old);
        }),
      );
    }),
);

/** Files at the path of the device node before ADD. */
const FILES: Readonly<Record<string, (path: string) => unknown>> = {
  'the device node of another device': (path) => execa('mknod', [path, 'c', '1', '3']),
  'the device node of a macvtap that does not exist': (path) => execa('mknod', [path, 'c', '240', '77']),
  'a block device': (path) => execa('mknod', [path, 'b', '7', '200']),
  'a FIFO': (path) => execa('mkfifo', [path]),
  'a regular file': (path) => writeFileSync(path, 'x'),
  'a symlink to another device': (path) => symlinkSync('/dev/null', path),
  'a symlink to nothing': (path) => symlinkSync('/nonexistent', path),
  'an empty directory': (path) => mkdirSync(path),
};
for (const [why, make] of Object.entries(FILES)) {
  test(`ADD replaces ${why} at the path of its device node, and DEL removes it without a netns`, () =>
    withMacvtapNode((node) =>
      withNetns(async (pod) => {
        const call = node.podOf(pod);
        const path = nodePathOf(node.ids[0] ?? '');
        await make(path);
        await node.succeeds('ADD', call);
        await isRight(pod, why);
        assert.equal(await execa('stat', ['-c', '%t:%T', '/dev/null']).then(({ stdout }) => stdout), '1:3');
        await node.succeeds('DEL', call);
        assert.equal(node.deviceNodes(), []);
        await make(path);
        await node.succeeds('DEL', { ...call, netns: '' });
        assert.equal(node.deviceNodes(), []);
      }),
    ));
}

test('ADD is rejected because of a directory that is not empty; DEL succeeds and leaves it', () =>
  withMacvtapNode((node) =>
    withNetns(async (pod) => {
      const call = node.podOf(pod);
      const path = nodePathOf(node.ids[0] ?? '');
      mkdirSync(`${path}/kept`, { recursive: true });
      const { json } = await node.call('ADD', call);
      assert.equal(
        [json.code, json.msg.startsWith(`Cannot delete the old device node ${path}: `)],
        [104, true],
        json.msg,
      );
      assert.is(await pod.ip('-o link show type macvtap'), '');
      for (const one of [call, { ...call, netns: '' }]) await node.succeeds('DEL', one);
      assert.ok(existsSync(`${path}/kept`));
      rmSync(path, { recursive: true });
      await node.succeeds('ADD', call);
      await node.succeeds('DEL', call);
    }),
  ));

// ---- frames

const MACS = ['020000000a01', '020000000b01'] as const;
const OUTER = '0200000000ff';
const ETHERTYPE = '88b5';
const frame = (to: string, from: string, content: string): string =>
  `${to}${from}${ETHERTYPE}${content.padEnd(2 * 46, '0')}`;
const withColons = (mac: string): string => mac.replace(/..(?=.)/g, '$&:');
const BROADCAST = 'f'.repeat(12);

async function hears({ received }: FrameSocket, wanted: string, why: string): Promise<void> {
  const deadline = performance.now() + HANG;
  while (!received.includes(wanted)) {
    assert.ok(performance.now() < deadline, `${why}: the frame arrives`);
    await sleep(5);
  }
}

/** Sends frames to and from both pods, and asserts that each device node is that of its pod. */
async function areApart(node: MacvtapNode, pods: readonly [TestNetns, TestNetns]): Promise<void> {
  await withFrames(async (open) => {
    const paths = node.ids.map(nodePathOf);
    const wire = await open(node.outside, 'link', OUTSIDE);
    const a = await open(pods[0], 'node', paths[0] ?? '');
    const b = await open(pods[1], 'node', paths[1] ?? '');
    const [toA, toB] = MACS.map((mac) => frame(mac, OUTER, 'aa')) as [string, string];
    const last = frame(BROADCAST, OUTER, 'bb');
    for (const one of [toA, toB, last]) wire.send(one);
    await hears(a, last, 'pod A');
    await hears(b, last, 'pod B');
    assert.equal([a.received.includes(toA), a.received.includes(toB)], [true, false], 'pod A');
    assert.equal([b.received.includes(toA), b.received.includes(toB)], [false, true], 'pod B');
    for (const [socket, mac] of [
      [a, MACS[0]],
      [b, MACS[1]],
    ] as const) {
      const out = frame(OUTER, mac, 'cc');
      socket.send(out);
      await hears(wire, out, `outside, from ${mac}`);
    }
    const across = frame(MACS[1], MACS[0], 'dd');
    a.send(across);
    await hears(b, across, 'from pod A to pod B');
  });
}

everyWay(
  "frames of pod A never come out of pod B's device node, which led to pod A's device before ADD",
  () =>
    withMacvtapNode((node) =>
      withNetns((a) =>
        withNetns(async (b) => {
          const calls = [a, b].map((pod, i) => node.podOf(pod, i, { mac: withColons(MACS[i] ?? '') }));
          const [first, second] = calls as [(typeof calls)[0], (typeof calls)[0]];
          await node.succeeds('ADD', first);
          const { device } = await showMacvtap(a);
          await execa('mknod', [nodePathOf(node.ids[1] ?? ''), 'c', ...device.split(':')]);
          const add = await node.succeeds('ADD', second);
          await isRight(a, 'pod A');
          await isRight(b, 'pod B');
          await areApart(node, [a, b]);

          // After ADD: CHECK finds it, and the next ADD repairs it.
          const path = nodePathOf(node.ids[1] ?? '');
          rmSync(path);
          await execa('mknod', [path, 'c', ...device.split(':')]);
          await execa('chown', ['107:107', path]);
          await execa('chmod', ['600', path]);
          const check = { ...second, conf: { ...second.conf, prevResult: add.json } };
          assert.match((await node.call('CHECK', check)).json.msg, /is not that of/);
          await node.succeeds('ADD', second);
          await areApart(node, [a, b]);
          for (const call of calls) await node.succeeds('DEL', call);
          assert.equal(node.deviceNodes(), []);
        }),
      ),
    ),
);

test('in mode private, two pods on one lower device do not hear each other', () =>
  withMacvtapNode(
    (node) =>
      withNetns((a) =>
        withNetns((b) =>
          withFrames(async (open) => {
            const calls = [a, b].map((pod, i) => node.podOf(pod, i, { mac: withColons(MACS[i] ?? '') }));
            for (const call of calls) await node.succeeds('ADD', call);
            const wire = await open(node.outside, 'link', OUTSIDE);
            const [from, to] = [
              await open(a, 'node', nodePathOf(node.ids[0] ?? '')),
              await open(b, 'node', nodePathOf(node.ids[1] ?? '')),
            ];
            const across = frame(MACS[1], MACS[0], 'dd');
            from.send(across);
            await hears(wire, across, 'outside');
            const last = frame(BROADCAST, OUTER, 'bb');
            wire.send(last);
            await hears(to, last, 'pod B');
            assert.not(to.received.includes(across));
            for (const call of calls) await node.succeeds('DEL', call);
          }),
        ),
      ),
    { entry: { mode: 'private' } },
  ));

test('a guest hears the multicast frames of IPv6 and mDNS, and none of its MAC leaves before it sends', () =>
  withMacvtapNode((node) =>
    withNetns((pod) =>
      withFrames(async (open) => {
        const wire = await open(node.outside, 'link', OUTSIDE);
        const call = node.podOf(pod, 0, { mac: withColons(MACS[0]) });
        await node.succeeds('ADD', call);
        const guest = await open(pod, 'node', nodePathOf(node.ids[0] ?? ''));
        for (const group of ['3333ff000010', '3333000000fb', '01005e0000fb', '0180c200000e']) {
          const one = frame(group, OUTER, 'ee');
          wire.send(one);
          await hears(guest, one, group);
        }
        const out = frame(OUTER, MACS[0], 'cc');
        guest.send(out);
        await hears(wire, out, 'outside');
        assert.equal(wire.received.slice(0, wire.received.indexOf(out)), [], BLUE);
        await node.succeeds('DEL', call);
      }),
    ),
  ));

everyWay.run();
