/** Services for the guests of 16 taps, in 64 MB and 200m CPU. */
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import { withFrames } from '../helpers/pod/frames.ts';
import { getsServed, knowGuest } from '../helpers/pod/served-pod.ts';
import { callDefineDomain } from '../helpers/sidecar/hook-api.ts';
import { logged } from '../helpers/sidecar/sidecar.ts';
import {
  anonymousMemory,
  GUARANTEED,
  type SmallSidecar,
  withSmallSidecar,
} from '../helpers/sidecar/small-sidecar.ts';

const test = suite('guest services in 64 MB and 200m CPU');

const TAPS = 16;
const MAX_ANONYMOUS = 40; // MiB
const SOCKETS_PER_TAP = 3;
/** Descriptors of Node.js, of the hook server, and of two rtnetlink sockets. */
const OTHER_DESCRIPTORS = 40;

interface Figures {
  /** Time from exec to the reply to Info, in ms. */
  readonly ready: number;
  /** Time from the socket to the reply to Info, in ms. */
  readonly info: number;
  /** CPU time until the reply to Info, in ms. */
  readonly cpu: number;
  /** RssAnon in MiB. */
  readonly memory: number;
}

const figuresOf = ({ ready, listening, cgroup, sidecar }: SmallSidecar): Figures => ({
  ready,
  info: ready - listening,
  cpu: cgroup.cpu(),
  memory: anonymousMemory(sidecar),
});

const tapOf = (index: number): string => secondaryTapIfname(hashedPodIfname(`net${index}`));

async function servesAll(small: SmallSidecar): Promise<Figures> {
  const { netns, sidecar, cgroup, socket, domain, vmi } = small;
  const figures = figuresOf(small);
  await withFrames(async (open) => {
    for (let index = 0; index < TAPS; index++) {
      const guest = await open(netns, 'tap', tapOf(index));
      await knowGuest(netns, tapOf(index));
      await getsServed(guest);
    }
    for (let call = 0; call < 200; call++) await callDefineDomain(socket, domain, vmi);
    for (let index = 0; index < TAPS; index++) {
      const served = (line: Record<string, unknown>) =>
        line['message'] === 'Serving a guest' && line['tap'] === tapOf(index);
      assert.is((await logged(sidecar, 1, served)).length, 1);
    }
    const descriptors = readdirSync(`/proc/${sidecar.pid}/fd`).length;
    const memory = anonymousMemory(sidecar);
    console.log(
      `\n@ ${TAPS} guests: ${memory.toFixed(1)} MiB, cgroup peak ${cgroup.peak().toFixed(1)} MiB, ${descriptors} descriptors`,
    );
    assert.ok(descriptors <= SOCKETS_PER_TAP * TAPS + OTHER_DESCRIPTORS, `${descriptors} descriptors`);
    assert.ok(memory <= MAX_ANONYMOUS, `${memory} MiB`);
    assert.is(cgroup.oomKills(), 0);
  });
  return figures;
}

test(`${TAPS} guests are served, and virt-launcher as well`, async () => {
  const without = await withSmallSidecar(GUARANTEED, TAPS, async (small) => figuresOf(small));
  const figures = await withSmallSidecar(GUARANTEED, TAPS, servesAll, true);
  const ratio = (of: (figures: Figures) => number) => (of(figures) / of(without)).toFixed(2);
  console.log(
    `\n@ at Info, with services ÷ without: CPU ${ratio(({ cpu }) => cpu)}, RssAnon ${ratio(({ memory }) => memory)}, time ${ratio(({ ready }) => ready)}, of it after the socket ${ratio(({ info }) => info)} (${figures.info.toFixed(0)} ms)`,
  );
});

test.run();
