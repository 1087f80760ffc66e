/** Taps, addresses and settings of a pod that change while a sidecar serves its guests. */
import { readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SERVER_IPV4, SERVER_IPV6 } from '../../shared/guest-services.ts';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';
import type { FrameSocket } from '../helpers/pod/frames.ts';
import { inNetns } from '../helpers/pod/guarded-pod.ts';
import type { TestNetns } from '../helpers/pod/netns.ts';
import { ethernet, ipv4, UDP, udp } from '../helpers/pod/packets.ts';
import {
  countOf,
  countsOf,
  getsServed,
  knowGuest,
  type ServedPod,
  wireSecond,
  withServedPod,
} from '../helpers/pod/served-pod.ts';
import { requestsOf } from '../helpers/pod/service-frames.ts';
import { MAC, OWN4, OWN6 } from '../helpers/pod/spoof-kinds.ts';
import { callInfo } from '../helpers/sidecar/hook-api.ts';
import { logged, processStatus, type Sidecar } from '../helpers/sidecar/sidecar.ts';

const test = suite('guest services of a pod that changes');

const says = (text: string) => (line: Record<string, unknown>) => String(line['message']).includes(text);
const countLines = (sidecar: Sidecar, text: string): number => sidecar.log().filter(says(text)).length;

/** Waits for a log line, and asserts that there is no second one. */
async function saysOnce(sidecar: Sidecar, text: string): Promise<Record<string, unknown>> {
  const lines = await logged(sidecar, 1, says(text));
  assert.is(lines.length, 1, `${text}: ${sidecar.output()}`);
  return lines[0] ?? {};
}

const setSysctl = (netns: TestNetns, name: string, value: string): Promise<string> =>
  inNetns(netns, 'sh', '-c', `echo ${value} > /proc/sys/net/${name}`);

test('a further tap that ADD creates after the start is served, and so is the next of its name', () =>
  withServedPod(async (pod) => {
    await wireSecond(pod);
    await pod.withSidecar(async (sidecar) => {
      await logged(sidecar, 1, says('Serving hooks'));
      await pod.wire();
      const first = await pod.open();
      await getsServed(first);
      await first.close();
      await pod.netns.ip('link del tap0');
      await saysOnce(sidecar, 'Stopped serving a guest, because its tap is gone');
      await pod.wire();
      await getsServed(await pod.open());
      assert.is(countLines(sidecar, 'Serving a guest'), 3);
      assert.is(countLines(sidecar, 'Cannot'), 0, sidecar.output());
    });
  }));

test('a tap that is replaced at once is served again', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    await pod.withSidecar(async (sidecar) => {
      for (let round = 0; round < 5; round++) {
        const guest = await pod.open();
        await getsServed(guest);
        await guest.close();
        await pod.netns.ip('link del tap0');
        await pod.wire();
      }
      await getsServed(await pod.open());
      assert.is(countLines(sidecar, 'Cannot'), 0, sidecar.output());
      const sockets = await inNetns(pod.netns, 'ss', '-Hlnu');
      assert.is(sockets.split('\n').length, 2, `one of each port:\n${sockets}`);
    });
  }));

test('addresses that come and go after the start are served and not served', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    for (const own of OWN6) await pod.netns.ip(`addr del ${own}/64 dev eth0`);
    await pod.withSidecar(async (sidecar) => {
      const { ipv6 } = await saysOnce(sidecar, 'Serving a guest');
      assert.is(ipv6, null);
      const guest = await pod.open();
      await getsServed(guest, ['DHCPv4 answer']);
      for (const request of requestsOf(MAC)) guest.send(request);
      await getsServed(guest, ['DHCPv4 answer']);
      assert.is(countOf(guest.received, 'DHCPv6 answer'), 0);
      assert.is(countOf(guest.received, 'router advertisement'), 0);

      for (const own of OWN6) await pod.netns.ip(`addr add ${own}/64 dev eth0 nodad`);
      await until('the router is advertised', () => countOf(guest.received, 'router advertisement') > 0);
      await getsServed(guest);

      await pod.netns.ip('addr flush dev eth0 scope global');
      const start = guest.received.length;
      const isFarewell = (frame: string) =>
        countOf([frame], 'router advertisement') === 1 && frame.slice(2 * 60, 2 * 62) === '0000';
      await until('the router is withdrawn', () => guest.received.slice(start).some(isFarewell));
      const rejected = async () => (await countsOf(pod.netns))['DHCPv4 rejected'] ?? 0;
      await until('DHCPv4 does not answer', async () => {
        guest.send(requestsOf(MAC)[0] ?? '');
        return (await rejected()) > 0;
      });
    });
  }));

/** Adds and deletes addresses as fast as the kernel does, until the end of `act`. */
async function withAddressFlood({ path }: TestNetns, act: () => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const batch = Array.from({ length: 250 }, (_, host) => `198.51.100.${host + 1}/32 dev lo`);
    const lines = [...batch.map((one) => `addr add ${one}`), ...batch.map((one) => `addr del ${one}`)];
    writeFileSync(`${directory}/batch`, lines.join('\n'));
    const words = [`--net=${path}`, 'sh', '-c', `while ip -batch ${directory}/batch; do :; done`];
    const flood = execa('nsenter', words, { reject: false, detached: true });
    try {
      await act();
    } finally {
      process.kill(-(flood.pid ?? 0));
      await flood;
    }
  });
}

const CLOCK_TICK = 10; // ms
const cpuOf = async ({ pid }: Sidecar): Promise<number> => {
  const { stdout } = await execa('cat', [`/proc/${pid}/stat`]);
  const fields = stdout.slice(stdout.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK;
};

test('virt-launcher and the guest are answered in a flood of events', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async (sidecar, hooks) => {
      await getsServed(guest);
      const socket = `${hooks}/${readdirSync(hooks)[0]}`;
      await withAddressFlood(pod.netns, async () => {
        const [start, cpu] = [performance.now(), await cpuOf(sidecar)];
        for (let call = 0; call < 100; call++) {
          await callInfo(socket);
          if (call % 20 === 0) await getsServed(guest);
        }
        const share = ((await cpuOf(sidecar)) - cpu) / (performance.now() - start);
        // Each event makes requests wait until the sidecar has looked at the pod.
        await until('requests of a flood are dropped', async () => {
          for (let sent = 0; sent < 500; sent++) guest.send(requestsOf(MAC)[0] ?? '');
          return ((await countsOf(pod.netns))['DHCPv4 dropped'] ?? 0) > 0;
        });
        console.log(`\n@ in a flood of events: ${(100 * share).toFixed(0)} % of a CPU`);
      });
      await getsServed(guest);
      assert.is(countLines(sidecar, 'Serving a guest'), 1);
      assert.ok(sidecar.log().length < 20, sidecar.output());
      assert.match(processStatus(sidecar, 'State'), /^[SR]/);
    });
  }));

/** A server of DHCP like KubeVirt's own, on all links with SO_REUSEADDR. Says what it hears. */
const OTHER_SERVER = `
  const socket = require('dgram').createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', () => console.log('heard'));
  socket.bind(67, () => console.log('ready'));`;

const ASK_OTHER_SERVER =
  "const s = require('dgram').createSocket('udp4'); s.send('x', 67, '127.0.0.1', () => s.close())";

async function withOtherServer({ path }: TestNetns, act: (heard: () => number) => Promise<void>) {
  const words = [`--net=${path}`, process.execPath, '-e', OTHER_SERVER];
  const server = execa('nsenter', words, { reject: false });
  let output = '';
  server.stdout.on('data', (data) => {
    output += data;
  });
  try {
    await until('the other server is ready', () => output.includes('ready'));
    await act(() => output.split('heard').length - 1);
  } finally {
    server.kill();
    await server;
  }
}

/** A request by unicast reaches the sidecar, and not the other server. */
async function renews({ netns }: ServedPod, guest: FrameSocket, heard: () => number): Promise<void> {
  const [{ address: tapMac }] = JSON.parse(await netns.ip('-j link show dev tap0'));
  const payload = udp(68, 67, (requestsOf(MAC)[0] ?? '').slice(2 * 42));
  const packet = ipv4({ from: OWN4[0], to: SERVER_IPV4, protocol: UDP, payload });
  const [start, before] = [guest.received.length, heard()];
  guest.send(ethernet(MAC, tapMac, '0800', packet));
  await until('it is answered', () => countOf(guest.received.slice(start), 'DHCPv4 answer') > 0);
  assert.is(heard(), before);
}

/** What the kernel may refuse, by the setting that forbids it. */
const REFUSALS = [
  {
    setting: 'ipv4/ip_unprivileged_port_start',
    ...{ forbids: '1024', allows: '0', lines: ['Cannot serve DHCPv4: bind', 'Cannot serve DHCPv6: bind'] },
    ...{ again: ['Serving DHCPv4 again', 'Serving DHCPv6 again'], others: ['router advertisement' as const] },
    remedy: 'let net.ipv4.ip_unprivileged_port_start of the pod be at most 67',
  },
  {
    setting: 'ipv4/ping_group_range',
    ...{ forbids: '1 0', allows: '107 107', lines: ['Cannot serve RA: socket'] },
    ...{ again: ['Serving RA again'], others: ['DHCPv4 answer' as const, 'DHCPv6 answer' as const] },
    remedy: "let net.ipv4.ping_group_range of the pod include the sidecar's group",
  },
] as const;

for (const { setting, forbids, allows, lines, again, others, remedy } of REFUSALS) {
  test(`net/${setting} that forbids a socket: the log says so once, and the rest is served until it allows it`, () =>
    withServedPod(async (pod) => {
      await pod.wire();
      await wireSecond(pod);
      await setSysctl(pod.netns, setting, forbids);
      const guests = [await pod.open(), await pod.open(secondaryTapIfname(hashedPodIfname('second')))];
      await pod.withSidecar(async (sidecar) => {
        for (const line of lines) {
          const found = await logged(sidecar, 2, says(line));
          assert.equal(
            found.map((one) => one['remedy']),
            [remedy, remedy],
            'of each tap',
          );
        }
        for (const guest of guests) await getsServed(guest, others);
        // Each event makes the sidecar try again.
        for (let count = 0; count < 10; count++) {
          await pod.netns.ip(`addr add 198.51.100.${count + 1}/32 dev lo`);
          await sleep(300);
        }
        for (const line of lines) assert.is(countLines(sidecar, line), 2, sidecar.output());
        await setSysctl(pod.netns, setting, allows);
        for (const guest of guests) await getsServed(guest);
        for (const line of again) assert.is((await logged(sidecar, 2, says(line))).length, 2);
      });
    }));
}

test('a tap that goes down and up is served by DHCPv4 again', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async (sidecar) => {
      await getsServed(guest);
      await pod.netns.ip('link set tap0 down');
      await sleep(1_000);
      await pod.netns.ip('link set tap0 up');
      await getsServed(guest, ['DHCPv4 answer']);
      // The kernel has deleted the address of the servers.
      await pod.netns.ip(`addr replace ${SERVER_IPV6}/64 dev tap0 nodad`);
      await knowGuest(pod.netns);
      await getsServed(guest);
      assert.ok(sidecar.log().length < 20, sidecar.output());
    });
  }));

test('a tap whose IPv6 is disabled: the log says so once a minute, and DHCPv4 is served', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async (sidecar) => {
      await getsServed(guest);
      await setSysctl(pod.netns, 'ipv6/conf/tap0/disable_ipv6', '1');
      await pod.netns.ip('-6 route del default dev eth0');
      await saysOnce(sidecar, 'Cannot answer by RA: ');
      await sleep(3_000);
      await saysOnce(sidecar, 'Cannot answer by RA: ');
      await getsServed(guest, ['DHCPv4 answer']);
      await setSysctl(pod.netns, 'ipv6/conf/tap0/disable_ipv6', '0');
      await pod.netns.ip(`addr add ${SERVER_IPV6}/64 dev tap0 nodad`);
      await knowGuest(pod.netns);
      await getsServed(guest);
    });
  }));

test('a tap that is renamed has one server', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async (sidecar) => {
      await getsServed(guest);
      await pod.netns.ip('link set tap0 down');
      await pod.netns.ip('link set tap0 name tap7');
      await pod.netns.ip('link set tap7 up');
      await logged(sidecar, 2, says('Serving a guest'));
      const start = guest.received.length;
      await getsServed(guest, ['DHCPv4 answer']);
      const sockets = await inNetns(pod.netns, 'ss', '-Hlnu');
      assert.is(sockets.split('\n').length, 2, `one of each port:\n${sockets}`);
      assert.is(
        countOf(guest.received.slice(start), 'DHCPv4 answer'),
        (await countsOf(pod.netns, 'tap7'))['DHCPv4 OFFER'],
      );
    });
  }));

test('a guest that asks, but does not read, makes few answers wait', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async () => {
      await getsServed(guest);
      // As a full tap does with kernels that do not drop its packets.
      await pod.netns.tc('qdisc replace dev tap0 root tbf rate 8bit burst 1600 limit 100000000');
      const [start, count] = [guest.received.length, 5_000];
      for (let sent = 0; sent < count; sent++) guest.send(requestsOf(MAC)[0] ?? '');
      guest.send(requestsOf(MAC)[1] ?? '');
      const counts = () => countsOf(pod.netns);
      const before = (await counts())['DHCPv6 Advertise'] ?? 0;
      const hasHeardAll = async () => ((await counts())['DHCPv6 Advertise'] ?? 0) > before;
      await until('the sidecar has heard what came last', hasHeardAll);
      const heard = (await counts())['DHCPv4 OFFER'] ?? 0;
      assert.ok(heard > count / 5, `heard ${heard}`);
      await pod.netns.tc('qdisc del dev tap0 root');
      await getsServed(guest, ['DHCPv6 answer']);
      const answers = countOf(guest.received.slice(start), 'DHCPv4 answer');
      console.log(`\n@ ${heard} answers, of which ${answers} waited`);
      assert.ok(answers < count / 25, `${answers} waited`);
    });
  }));

test('another DHCP server of the pod may start before the sidecar', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await withOtherServer(pod.netns, async () => {
      await pod.withSidecar(async (sidecar) => {
        await getsServed(guest);
        assert.is(countLines(sidecar, 'Cannot'), 0, sidecar.output());
      });
    });
  }));

test('another DHCP server of the pod may start after the sidecar, which alone gets a renewal', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async (sidecar) => {
      await getsServed(guest);
      await withOtherServer(pod.netns, async (heard) => {
        await inNetns(pod.netns, process.execPath, '-e', ASK_OTHER_SERVER);
        await until('it hears a request on another link', () => heard() > 0);
        await getsServed(guest);
        await renews(pod, guest, heard);
      });
      assert.is(countLines(sidecar, 'Cannot'), 0, sidecar.output());
    });
  }));

test.run();
