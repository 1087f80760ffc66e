/** Two sidecars in a pod, as before KubeVirt 1.9: a guest has one server. */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import { until } from '../helpers/agent/agent-node.ts';
import type { FrameSocket } from '../helpers/pod/frames.ts';
import type { TestNetns } from '../helpers/pod/netns.ts';
import { countOf, countsOf, getsServed, wireSecond, withServedPod } from '../helpers/pod/served-pod.ts';
import { requestsOf } from '../helpers/pod/service-frames.ts';
import { MAC } from '../helpers/pod/spoof-kinds.ts';
import { logged, type Sidecar } from '../helpers/sidecar/sidecar.ts';

const test = suite('two sidecars in a pod');

const [FIRST, SECOND] = ['tap0', secondaryTapIfname(hashedPodIfname('second'))];

const serves = (tap: string) => (line: Record<string, unknown>) =>
  line['message'] === 'Serving a guest' && line['tap'] === tap;
const waits = ({ message }: Record<string, unknown>) =>
  message === 'Another sidecar of the pod serves its guests';

/** Sends requests, and compares how many answers arrive with how many the server has sent. */
async function hasOneServer(netns: TestNetns, tap: string, guest: FrameSocket): Promise<void> {
  const [before, start] = [await countsOf(netns, tap), guest.received.length];
  const growth = async (name: string) => ((await countsOf(netns, tap))[name] ?? 0) - (before[name] ?? 0);
  // In portions: while the sidecar looks at the pod, only so many requests wait.
  for (let sent = 10; sent <= 50; sent += 10) {
    for (let time = 0; time < 10; time++) for (const request of requestsOf(MAC)) guest.send(request);
    await until('all requests are answered', async () => (await growth('DHCPv6 Advertise')) === sent);
  }
  // The last answers have arrived when those to a later request have.
  await getsServed(guest);
  const frames = () => guest.received.slice(start);
  assert.is(countOf(frames(), 'DHCPv4 answer'), await growth('DHCPv4 OFFER'));
  assert.is(countOf(frames(), 'DHCPv6 answer'), await growth('DHCPv6 Advertise'));
  await until(
    'the guest has as many advertisements as the server has sent',
    async () => countOf(frames(), 'router advertisement') === (await growth('RA Advertisement')),
  );
}

test('one of them answers on each tap, and the other takes over when it is killed', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    await wireSecond(pod);
    const guests = [await pod.open(FIRST), await pod.open(SECOND)] as const;
    const isOnlyServer = async () => {
      for (const [index, tap] of [FIRST, SECOND].entries()) {
        await hasOneServer(pod.netns, tap, guests[index] ?? guests[0]);
      }
    };
    const isWaiting = async (other: Sidecar) => {
      assert.is((await logged(other, 1, waits)).length, 1);
      assert.equal(other.log().filter(serves(FIRST)), []);
    };
    await pod.withSidecar(async (first) => {
      await logged(first, 1, serves(FIRST));
      await pod.withSidecar(async (second) => {
        await isWaiting(second);
        for (const guest of guests) await getsServed(guest);
        await isOnlyServer();
        first.kill('SIGKILL');
        for (const tap of [FIRST, SECOND]) assert.is((await logged(second, 1, serves(tap))).length, 1);
        await isOnlyServer();
        await pod.withSidecar(async (third) => {
          await isWaiting(third);
          await isOnlyServer();
        });
      });
    });
  }));

/** Eight clients that connect again and again, and send without an end. */
const TALK = `
  const talk = () => {
    const socket = require('net').connect('\\0tapwire-guest-services', () => console.log('connected'));
    const timer = setInterval(() => socket.write('x'), 5);
    socket.on('error', () => {}).on('close', () => { clearInterval(timer); setTimeout(talk, 20); });
  };
  for (let client = 0; client < 8; client++) talk();`;

async function withTalkers({ path }: TestNetns, act: () => Promise<void>): Promise<void> {
  const child = execa('nsenter', [`--net=${path}`, process.execPath, '-e', TALK], { reject: false });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await act();
  } finally {
    child.kill();
    await child;
  }
}

test('clients of the socket by which a sidecar has the turn do not stay', () =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async (sidecar) => {
      await logged(sidecar, 1, serves(FIRST));
      await withTalkers(pod.netns, async () => {
        await until(
          'a client gets the counts',
          async () => 'RA Advertisement' in (await countsOf(pod.netns)),
        );
      });
      await getsServed(guest);
      assert.ok(sidecar.output().length < 4096, 'the log is short');
    });
  }));

test.run();
