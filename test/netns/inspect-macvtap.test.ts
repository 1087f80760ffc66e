/** Runs `tapwire inspect` on pods with a macvtap, and compares its output with docs/inspect.md. */
import { existsSync, rmSync } from 'node:fs';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inspection, MacvtapAttachment } from '../../cli/inspect/inspection.ts';
import { firstIfindexOf } from '../../shared/kubelet/device-id.ts';
import { assertShown, tapwire } from '../helpers/cluster/command-line.ts';
import { settled } from '../helpers/cluster/inspect-output.ts';
import {
  addMacvtap,
  LOWER,
  MACVTAP,
  type MacvtapPod,
  macvtapCni,
  withMacvtapNode,
  withQemuAt,
} from '../helpers/pod/macvtap-pod.ts';
import { withNetns } from '../helpers/pod/netns.ts';
import { CONTAINER_ID, POD } from '../helpers/pod/wired-pod.ts';

const test = suite('tapwire inspect: macvtap');

const PAGE = 'docs/inspect.md';
const SHOWN_RESOURCE = 'vm-lan';
const SHOWN_POD = 'vms/virt-launcher-vm2-fghij';

const inspect = ({ pod, onNode }: MacvtapPod, ...options: readonly string[]) =>
  tapwire(['inspect', pod.path, ...options], onNode);

async function parsed(pod: MacvtapPod): Promise<Inspection> {
  const { stdout, stderr } = await inspect(pod, '--json');
  assert.is(stderr, '');
  return JSON.parse(stdout);
}

async function macvtapIn(pod: MacvtapPod): Promise<MacvtapAttachment> {
  const [attachment] = (await parsed(pod)).attachments;
  assert.is(attachment?.binding, 'macvtap');
  return attachment as MacvtapAttachment;
}

/** Replaces what differs between runs. */
const shown = ({ pod, resource, ifindex }: MacvtapPod, text: string): string =>
  settled(pod, text.replaceAll(POD, SHOWN_POD))
    .replaceAll(resource, SHOWN_RESOURCE)
    .replaceAll(`${ifindex}`, `${firstIfindexOf(SHOWN_RESOURCE)}`)
    .replace(/(, )\d+:\d+(, owner)/, '$1236:1$2')
    .replace(/("(?:device|wanted)": )"\d+:\d+"/g, '$1"236:1"')
    .replace(/"pid": \d+/, '"pid": 4711');

test('docs/inspect.md shows the output for a running VM', () =>
  withMacvtapNode(async (pod) => {
    await addMacvtap(pod);
    await withQemuAt(pod, pod.devicePath, async () => {
      const text = await tapwire(['inspect', POD], pod.onNode);
      assert.is(text.exitCode, 0, text.stdout + text.stderr);
      assertShown(PAGE, `tapwire inspect ${SHOWN_POD}`, shown(pod, text.stdout));
      const json = await tapwire(['inspect', POD, '--json'], pod.onNode);
      assertShown(PAGE, `tapwire inspect ${SHOWN_POD} --json`, shown(pod, json.stdout));
      const svg = await tapwire(['inspect', POD, '--svg'], pod.onNode);
      for (const part of [MACVTAP, LOWER, 'bridge', `tapwire.io/${pod.resource}`]) {
        assert.ok(svg.stdout.includes(`>${part}</text>`), part);
      }
      const inContainer = await tapwire(['inspect', '--root', '/', POD], pod.onNode);
      assert.is(inContainer.stdout, text.stdout);
      const list = await tapwire(['inspect'], pod.onNode);
      assert.match(
        list.stdout,
        new RegExp(`^${pod.pod.path} +${POD} +${LOWER} <-> ${MACVTAP} qemu-system-x86:\\d+ +ok$`, 'm'),
      );
    });
  }));

test('shows a macvtap of the plugin without a device plugin as ADD left it, and nothing after DEL', () =>
  withMacvtapNode(
    async (pod) => {
      const conf = { master: LOWER, queues: 2, mtu: 1400, mac: '02:00:00:00:00:21' };
      await macvtapCni('ADD', pod, conf);
      const attachment = await macvtapIn(pod);
      const { containerId, ifname, macvtap, lowerDevice, lowerDeviceAtAdd, resource, defects } = attachment;
      assert.equal([containerId, ifname, lowerDeviceAtAdd], [CONTAINER_ID, MACVTAP, LOWER]);
      assert.equal([resource, defects], [null, []]);
      const { ifindex, ...rest } = macvtap;
      assert.equal(rest, {
        name: MACVTAP,
        mac: '02:00:00:00:00:21',
        mtu: 1400,
        isUp: true,
        mode: 'private',
        queues: 2,
        allmulticast: true,
        promisc: true,
        hasIpv6: false,
        holders: [],
      });
      assert.equal([lowerDevice?.name, lowerDevice?.allmulticast, lowerDevice?.promisc], [LOWER, true, true]);
      const { device, wanted, ...node } = attachment.deviceNode ?? {};
      assert.equal(node, { path: `/dev/tap${ifindex}`, owner: 107, group: 107, mode: '0600' });
      assert.ok(device !== undefined && device === wanted, 'the device node is right');
      const text = await inspect(pod);
      assert.is(text.exitCode, 0);
      assert.match(text.stdout, `  resource   none of the node policy file has the index ${ifindex}\n`);
      assert.match(text.stdout, '  held by    no process: no VM has the device open\n');

      await macvtapCni('DEL', pod, conf);
      assert.equal((await parsed(pod)).attachments, []);
      assert.not.ok(existsSync(`/dev/tap${ifindex}`));
    },
    { masters: [{ lowerDevice: LOWER, mode: 'private', promisc: true }] },
  ));

test('shows processes outside of the pod that have its device open, and their queues', () =>
  withMacvtapNode(async (pod) => {
    await addMacvtap(pod, 2);
    const hold = `exec 3<>${pod.devicePath} 4<>${pod.devicePath}; echo; read -r end`;
    const other = execa('sh', ['-c', `exec 5</dev/null; ${hold}`], { stdin: 'pipe', buffer: false });
    try {
      await new Promise((resolve) => other.stdout.once('data', resolve));
      assert.equal((await macvtapIn(pod)).macvtap.holders, [{ pid: other.pid, program: 'sh', queues: 2 }]);
    } finally {
      other.stdin.end('\n');
      await other;
    }
  }));

/** Changes after ADD, and what is shown then. */
const CHANGES: readonly (readonly [string, (pod: MacvtapPod) => Promise<unknown>, 0 | 1, RegExp])[] = [
  [
    'a lower device that was renamed',
    async ({ node }) => {
      await node.ip(`link set ${LOWER} down`);
      await node.ip(`link set ${LOWER} name lan0`);
      await node.ip('link set lan0 up');
    },
    0,
    /┌─ lan0 ─.*\n(.*\n)+ {2}lower +"lan0" was "uplink0" when ADD ran\n/,
  ],
  ['a lower device that is down', ({ node }) => node.ip(`link set ${LOWER} down`), 0, /│ veth, DOWN +│/],
  [
    'a lower device without carrier',
    ({ node }) => node.ip('link set wire0 down'),
    0,
    /│ veth, up, no carrier +│/,
  ],
  [
    'a macvtap that is down',
    ({ pod }) => pod.ip(`link set ${MACVTAP} down`),
    1,
    /│ macvtap, DOWN +│\n(.*\n)+ {2}defect +macvtap "pod37a8eec1ce1" is down\n/,
  ],
  [
    'allmulticast that is off',
    ({ pod }) => pod.ip(`link set ${MACVTAP} allmulticast off`),
    1,
    /│ allmulticast off +│\n(.*\n)+ {2}defect +macvtap "pod37a8eec1ce1" has allmulticast off/,
  ],
  [
    'IPv6 that is on',
    ({ pod }) =>
      execa('ip', [
        'netns',
        'exec',
        pod.name,
        'sh',
        '-c',
        `echo 0 >/proc/sys/net/ipv6/conf/${MACVTAP}/disable_ipv6`,
      ]),
    1,
    /│ IPv6 ON +│\n(.*\n)+ {2}defect +macvtap "pod37a8eec1ce1" has IPv6 on/,
  ],
  [
    'a device node that is gone',
    async ({ devicePath }) => rmSync(devicePath),
    1,
    / {2}device +there is no device node\n(.*\n)+ {2}defect +device node \/dev\/tap\d+ is gone\n/,
  ],
  [
    'a device node of another device',
    async ({ devicePath }) => {
      rmSync(devicePath);
      await execa('mknod', [devicePath, 'c', '1', '3']);
    },
    1,
    / {2}device +\/dev\/tap\d+, 1:3 instead of \d+:\d+, owner 0, group 0, mode 0\d+\n(.*\n)+ {2}defect +device node .* is not that of/,
  ],
  [
    'a file in place of the device node',
    async ({ devicePath }) => {
      rmSync(devicePath);
      await execa('touch', [devicePath]);
    },
    1,
    / {2}device +\/dev\/tap\d+, not a character device instead of \d+:\d+, /,
  ],
  [
    'a device node that others may open',
    ({ devicePath }) => execa('chmod', ['666', devicePath]),
    1,
    / {2}defect +device node .* belongs to 107:107, mode 0666 instead of 107:107, mode 0600\n/,
  ],
];
for (const [title, change, exitCode, lines] of CHANGES) {
  test(`shows ${title}`, () =>
    withMacvtapNode(async (pod) => {
      await addMacvtap(pod);
      await change(pod);
      const printed = await inspect(pod);
      assert.match(printed.stdout, lines, printed.stderr);
      assert.is(printed.exitCode, exitCode);
    }));
}

test('reports a lower device that has left the node', () =>
  withMacvtapNode((pod) =>
    withNetns(async (elsewhere) => {
      await addMacvtap(pod);
      await pod.node.ip(`link set ${LOWER} netns ${elsewhere.name}`);
      const printed = await inspect(pod);
      assert.is(printed.exitCode, 1, printed.stdout);
      assert.match(printed.stdout, /┌─ gone ─.*\n.* no frame passes .*/);
      assert.match(
        printed.stdout,
        `defect     lower device "${LOWER}" is no longer in the node's network namespace`,
      );
      assert.is((await macvtapIn(pod)).lowerDevice, null);
    }),
  ));

test('reports a macvtap of an ADD that did not write its record', () =>
  withMacvtapNode(async (pod) => {
    await pod.node.ip(
      `link add link ${LOWER} name ${MACVTAP} index ${pod.ifindex} netns ${pod.pod.name} type macvtap mode bridge`,
    );
    const { exitCode, stdout } = await inspect(pod);
    assert.is(exitCode, 1);
    assert.match(stdout, `  stray      macvtap "${MACVTAP}" looks like Tapwire's, but has no record`);
  }));

test.run();
