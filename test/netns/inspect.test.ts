/**
 * Runs `tapwire inspect` on wired pods, and compares its output with docs/inspect.md and
 * docs/inspect.svg.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inspection } from '../../cli/inspect/inspection.ts';
import { assertFile, assertShown, type Printed, tapwire } from '../helpers/cluster/command-line.ts';
import { SHOWN_POD, settled, tapIn } from '../helpers/cluster/inspect-output.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { setPasstSysctls, withNetns } from '../helpers/pod/netns.ts';
import { attach, detachTcx, returning } from '../helpers/pod/programs.ts';
import {
  CONTAINER_ID,
  FRAME_BYTES,
  POD,
  sendFrames,
  withQemu,
  withResults,
  withWiredPod,
} from '../helpers/pod/wired-pod.ts';

const test = suite('tapwire inspect');

const PAGE = 'docs/inspect.md';

const parsed = ({ stdout }: Printed): Inspection => JSON.parse(stdout);

/** Aligns the columns of rows to their contents. */
function aligned(rows: readonly string[]): string {
  const cells = rows.map((row) => row.split(/ {2,}/));
  const widths = cells[0]?.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0))) ?? [];
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

test('docs/inspect.md and docs/inspect.svg show the output for a running VM', () =>
  withWiredPod(async (pod) => {
    const { netns, withResults } = pod;
    await netns.ip('link set tap0 address 02:00:00:00:00:20');
    await sendFrames(pod, 3);
    await withQemu(pod, 1, async () => {
      const [text, svg, json] = [
        await tapwire(['inspect', POD], withResults),
        await tapwire(['inspect', POD, '--svg'], withResults),
        await tapwire(['inspect', POD, '--json'], withResults),
      ];
      assert.equal([text.exitCode, svg.exitCode, json.exitCode], [0, 0, 0], text.stderr);
      assertShown(PAGE, `tapwire inspect ${SHOWN_POD}`, settled(netns, text.stdout));
      assertFile('docs/inspect.svg', settled(netns, svg.stdout));
      const shown = settled(netns, json.stdout)
        .replace(/"pid": \d+/, '"pid": 4711')
        .replaceAll('"matchall"', '"u32"');
      assertShown(PAGE, `tapwire inspect ${SHOWN_POD} --json`, shown);
      const list = await tapwire(['inspect'], withResults);
      const [head = '', ...rows] = list.stdout.split('\n');
      const own = rows.filter((row) => row.includes(netns.name));
      // The list may contain pods of other tests, which make its columns wider.
      assertShown(PAGE, 'tapwire inspect', aligned([head, ...own].map((row) => settled(netns, row))));
    });
  }));

test('reports broken wiring with status 1 and the messages of CHECK, as docs/inspect.md shows', () =>
  withWiredPod(async ({ netns, withResults }) => {
    await netns.ip('link set tap0 address 02:00:00:00:00:20');
    await netns.ip('link set tap0 down');
    await netns.tc('filter del dev eth0 ingress');
    const { exitCode, stdout } = await tapwire(['inspect', netns.name], withResults);
    assert.is(exitCode, 1);
    assertShown(PAGE, 'tapwire inspect cni-6f0e1d2c3b4a', settled(netns, stdout));
    const { attachments } = parsed(await tapwire(['inspect', netns.path, '--json']));
    assert.equal(attachments[0]?.defects, ['tap "tap0" is down', '"eth0" has no redirect to "tap0"']);
  }));

test('finds a pod by path, netns name, pid, container id, prefix of it, and pod name', () =>
  withWiredPod((pod) =>
    withQemu(pod, 1, async (pid) => {
      const { netns, withResults } = pod;
      for (const subject of [
        netns.path,
        `/var${netns.path}`,
        `/proc/${pid}/ns/net`,
        netns.name,
        `${pid}`,
        CONTAINER_ID,
        CONTAINER_ID.slice(0, 13),
        POD,
      ]) {
        const printed = await tapwire(['inspect', subject, '--json'], withResults);
        assert.is(printed.exitCode, 0, `${subject}: ${printed.stderr}`);
        assert.is(parsed(printed).attachments[0]?.containerId, CONTAINER_ID, subject);
        assert.is(parsed(printed).pod, POD, subject);
      }
    }),
  ));

test('shows the frames that passed, and the queues of each process that holds the tap', () =>
  withWiredPod(
    async (pod) => {
      await sendFrames(pod, 5);
      await withQemu(pod, 2, async (pid) => {
        const attachment = tapIn(parsed(await tapwire(['inspect', pod.netns.path, '--json'])));
        assert.is(attachment.toTap?.packets, 5);
        assert.is(attachment.toTap?.bytes, 5 * FRAME_BYTES);
        assert.is(attachment.toPodLink?.packets, 0);
        assert.equal(attachment.tap.holders, [{ pid, program: 'qemu-system-x86', queues: 2 }]);
        assert.is(attachment.tap.multiQueue, true);
      });
    },
    { multiQueue: true },
  ));

test('reports a pod link that is down, and deleted rules, with the remedy', () =>
  withWiredPod(async ({ netns }) => {
    await netns.ip('link set eth0 down');
    const down = await tapwire(['inspect', netns.path]);
    assert.is(down.exitCode, 1);
    assert.match(down.stdout, /│ veth, DOWN +│/);
    assert.match(down.stdout, /defect +pod link "eth0" is down, .*; set it up: ip link set eth0 up\n/);
    await netns.ip('link set eth0 up');
    await execa('ip', ['netns', 'exec', netns.name, 'nft', 'flush', 'ruleset']);
    const loud = await tapwire(['inspect', netns.path]);
    assert.match(loud.stdout, /silence +none: the pod's own stack can send/);
    assert.match(loud.stdout, /defect +the pod's own stack is not silenced on "eth0" any more/);
  }));

test('reports rules that are left when the tap and the qdisc are gone', () =>
  withWiredPod(async ({ netns }) => {
    await netns.ip('link del tap0');
    await netns.tc('qdisc del dev eth0 clsact');
    const printed = await tapwire(['inspect', netns.path]);
    assert.is(printed.exitCode, 1);
    assert.match(printed.stdout, /stray +nftables tables "tapwire-[0-9a-f]{16}" drop what the pod sends/);
  }));

test('reports a redirect whose tap is gone', () =>
  withWiredPod(async ({ netns }) => {
    await netns.ip('link del tap0');
    const printed = await tapwire(['inspect', netns.path]);
    assert.is(printed.exitCode, 1);
    assert.match(printed.stdout, /stray +"eth0" has a redirect to a deleted link that looks like Tapwire's/);
    const list = await tapwire(['inspect']);
    assert.match(list.stdout, new RegExp(`${netns.path} .* 2 defects$`, 'm'));
  }));

test('names a foreign filter: as a defect if it stops frames, as a note if that is unknown', () =>
  withWiredPod(async ({ netns }) => {
    await netns.tc('filter add dev eth0 ingress protocol ip pref 10 u32 match ip dport 67 0xffff flowid 1:1');
    const id = await attach(netns, 'tcx', 'tap0', returning(-1));
    const unknown = await tapwire(['inspect', netns.path]);
    const what = 'a u32 filter at pref 10 for IPv4 frames';
    assert.is(unknown.exitCode, 0, unknown.stdout);
    assert.match(
      unknown.stdout,
      `  filter     "eth0" has ${what}, which may keep frames from the redirect\n`,
    );
    assert.not.match(unknown.stdout, 'TCX');

    await detachTcx(netns, 'tap0', id);
    const deadlyId = await attach(netns, 'tcx', 'tap0', returning(0));
    const program = `the TCX program ${deadlyId} "tapwire_test"`;
    const deadly = await tapwire(['inspect', netns.path]);
    assert.is(deadly.exitCode, 1);
    assert.match(deadly.stdout, `  defect     "tap0" has ${program} that takes its frames\n`);
    assert.match((await tapwire(['inspect', netns.path, '--svg'])).stdout, 'that takes its frames');
    const attachment = tapIn(parsed(await tapwire(['inspect', netns.path, '--json'])));
    assert.equal(attachment.filters, [
      { link: 'eth0', filter: what, verdict: 'unknown' },
      { link: 'tap0', filter: program, verdict: 'deadly' },
    ]);
  }));

test('lists passt by cached results, and reports sysctls that were narrowed since', () =>
  withNetns(async (netns) => {
    const conf = { type: 'tapwire', binding: 'passt' };
    const add = await cni('ADD', { netns: netns.path, containerId: CONTAINER_ID, network: 'default', conf });
    assert.is(add.exitCode, 0, add.stdout);
    await withResults(
      netns,
      async (words) => {
        const list = await tapwire(['inspect'], words);
        assert.match(list.stdout, new RegExp(`^${netns.path} +${POD} +passt +ok$`, 'm'));
        await setPasstSysctls(netns, [1024, 107, 107]);
        const { exitCode, stdout } = await tapwire(['inspect', POD], words);
        assert.is(exitCode, 1);
        assert.match(stdout, /^ {2}passt +net.ipv4.ip_unprivileged_port_start is "1024" instead of "0"$/m);
      },
      conf,
    );
  }));

test('rejects the host netns', async () => {
  for (const subject of [`${process.pid}`, '/proc/self/ns/net']) {
    const { exitCode, stderr } = await tapwire(['inspect', subject]);
    const reason = "it is the host network namespace, which is never wired; name the pod's";
    assert.equal([exitCode, stderr], [2, `Cannot inspect "${subject}": ${reason}\n`]);
  }
});

test('shows a netns without Tapwire when it is named, but does not list it', () =>
  withNetns(async ({ name }) => {
    const printed = await tapwire(['inspect', name]);
    assert.is(printed.exitCode, 0);
    assert.match(
      printed.stdout,
      /wired +nothing by Tapwire\n +passt +possible: it leaves no trace except the sysctls below\n +sysctl/,
    );
    assert.not.match((await tapwire(['inspect'])).stdout, new RegExp(name));
  }));

test('escapes link names of a pod in text and SVG', () =>
  withWiredPod(async ({ netns }) => {
    await netns.ip('link set tap0 down');
    await netns.ip('link set tap0 name a<b&\x1b[31m');
    const text = await tapwire(['inspect', netns.path]);
    assert.match(text.stdout, /a<b&\\u001b\[31m/);
    assert.not.match(text.stdout, '\x1b');
    const { stdout } = await tapwire(['inspect', netns.path, '--svg']);
    assert.match(stdout, /a&lt;b&amp;\\u001b/);
    assert.not.match(stdout, /a<b/);
  }));

test('skips a file on which a netns was mounted', async () => {
  const stale = 'mount -t tmpfs none /run/netns && touch /run/netns/stale && exec "$@"';
  const { exitCode, stderr } = await tapwire(['inspect'], ['unshare', '--mount', 'sh', '-c', stale, 'sh']);
  assert.is.not(exitCode, 2, stderr);
});

const REFUSED: readonly (readonly [string, string, readonly string[], RegExp])[] = [
  [
    'nobody',
    'no-such-netns',
    [],
    /^Cannot inspect "no-such-netns": no netns, process, container or pod of this node matches/,
  ],
  ['a file', '/etc/hostname', [], /^Cannot inspect "\/etc\/hostname": it is not a network namespace/],
  ['a missing path', '/run/netns/none', [], /^Cannot inspect "\/run\/netns\/none": it does not exist/],
  [
    'not as root',
    '/proc/1/ns/net',
    ['setpriv', '--reuid=65534', '--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'],
    /^Cannot inspect "\/proc\/1\/ns\/net": only root on the node can enter .*; run it with sudo\n$/,
  ],
  [
    'root in a container',
    '/proc/1/ns/net',
    ['setpriv', '--inh-caps=-sys_admin', '--bounding-set=-sys_admin'],
    /^Cannot inspect "\/proc\/1\/ns\/net": .*; run this on the node itself as root with CAP_SYS_ADMIN\n$/,
  ],
];
for (const [title, subject, under, message] of REFUSED) {
  test(`rejects ${title}, and says what is missing`, async () => {
    const { exitCode, stdout, stderr } = await tapwire(['inspect', subject], under);
    assert.match(stderr, message);
    assert.equal([exitCode, stdout], [2, '']);
  });
}

test('colours output to a terminal, unless NO_COLOR is set', () =>
  withWiredPod(async ({ netns }) => {
    const terminal = ['sh', '-c', 'exec script -qec "$*" /dev/null', 'sh'];
    const run = (env: Readonly<Record<string, string>>) => tapwire(['inspect', netns.path], terminal, env);
    assert.match((await run({})).stdout, '\x1b[1meth0\x1b[0m');
    assert.not.match((await run({ NO_COLOR: '1' })).stdout, '\x1b');
    assert.not.match((await tapwire(['inspect', netns.path])).stdout, '\x1b');
  }));

test.run();
