/**
 * What becomes of each kind of frame that a guest may send, under each spoof guard in both forms,
 * with and without guest services, on each kind of pod link.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RULE_FORMS, type RuleForm } from '../../cni/kernel/rules.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { type OpenFrames, withFrames } from '../helpers/pod/frames.ts';
import {
  type AddressedPod,
  inNetns,
  type Passing,
  POD_LINKS,
  type PodLinkKind,
  wire,
  withAddressedPod,
} from '../helpers/pod/guarded-pod.ts';
import { BROADCAST, ethernet, zeros } from '../helpers/pod/packets.ts';
import { KINDS, type Kind, MAC, type Outcome, TRUNCATED, unserved } from '../helpers/pod/spoof-kinds.ts';

const test = suite('the spoof guard on a real kernel');

/** Passes every guard: the test sends it last. */
const LAST = ethernet(MAC, BROADCAST, '8035', `${zeros(45)}ff`);

interface Sent {
  readonly outside: readonly string[];
  /** Number of frames that got past the floor to the pod's own stack. */
  readonly up: number;
}

/** A chain behind the floor, which counts what the floor lets up. */
const COUNT =
  'table netdev test { chain up { type filter hook ingress device "tap0" priority 10; counter; }; }';

/** Sends frames as the guest, and returns which of them arrived outside. */
async function sendAll(
  { netns, outside }: AddressedPod,
  open: OpenFrames,
  frames: readonly string[],
): Promise<Sent> {
  await inNetns(netns, 'nft', COUNT);
  const network = await open(outside, 'link', 'host0');
  const guest = await open(netns, 'tap', 'tap0');
  for (const frame of [...frames, LAST]) guest.send(frame);
  await until('the last frame is outside', () => network.received.includes(LAST));
  const listed = await inNetns(netns, 'nft', 'list', 'table', 'netdev', 'test');
  await Promise.all([network.close(), guest.close()]);
  return {
    outside: network.received.filter((frame) => frame !== LAST),
    up: Number(/counter packets (\d+)/.exec(listed)?.[1]),
  };
}

function outcomeOf(kind: Kind, { guestAddresses, spoofGuard }: Passing, form: RuleForm): Outcome {
  if (guestAddresses !== 'pod') return unserved(kind, spoofGuard);
  const byFilters = spoofGuard === 'addresses' && form === 'filters' ? kind.filters : undefined;
  return byFilters ?? kind.served[spoofGuard];
}

const namesOf = (frames: readonly string[]): readonly string[] =>
  frames.map((frame) => KINDS.find((kind) => kind.frame === frame)?.what ?? frame);

const CASES: readonly (readonly [Passing, readonly RuleForm[]])[] = [
  [{ guestAddresses: 'network', spoofGuard: 'off' }, ['filters']],
  [{ guestAddresses: 'network', spoofGuard: 'mac' }, RULE_FORMS],
  [{ guestAddresses: 'pod', spoofGuard: 'off' }, ['filters']],
  [{ guestAddresses: 'pod', spoofGuard: 'mac' }, RULE_FORMS],
  [{ guestAddresses: 'pod', spoofGuard: 'addresses' }, RULE_FORMS],
];

const wired = (
  link: PodLinkKind,
  passing: Passing,
  form: RuleForm,
  act: (pod: AddressedPod, open: OpenFrames) => Promise<void>,
): Promise<void> =>
  withFrames((open) =>
    withAddressedPod(link, async (pod) => {
      await wire(pod, passing, form);
      await act(pod, open);
    }),
  );

for (const [passing, forms] of CASES) {
  const { guestAddresses, spoofGuard } = passing;
  for (const form of forms) {
    for (const link of POD_LINKS) {
      test(`${link}, guard "${spoofGuard}" as ${form}, addresses of the ${guestAddresses}: every kind of frame`, () =>
        wired(link, passing, form, async (pod, open) => {
          const filters = await pod.netns.tc('filter show dev tap0 ingress');
          assert.is(filters.includes('bpf'), spoofGuard !== 'off' && form === 'program', filters);
          const { outside, up } = await sendAll(
            pod,
            open,
            KINDS.map(({ frame }) => frame),
          );
          const wanted = (outcome: Outcome) =>
            KINDS.filter((kind) => outcomeOf(kind, passing, form) === outcome);
          assert.equal(
            namesOf(outside),
            wanted('out').map(({ what }) => what),
          );
          assert.is(up, wanted('up').length, "frames for the pod's own stack");
        }));
    }
  }
}

for (const form of RULE_FORMS) {
  test(`a frame that ends early reaches neither the network nor the pod through the guard of addresses as ${form}`, () =>
    wired('veth', { guestAddresses: 'pod', spoofGuard: 'addresses' }, form, async (pod, open) => {
      assert.equal(
        await sendAll(
          pod,
          open,
          TRUNCATED.map(([, frame]) => frame),
        ),
        { outside: [], up: 0 },
      );
    }));
}

test("without the floor, frames that the filters drop reach the pod's own stack", () =>
  wired('veth', { guestAddresses: 'pod', spoofGuard: 'addresses' }, 'filters', async (pod, open) => {
    const [table] = /tapwire-\S+/.exec(await inNetns(pod.netns, 'nft', 'list', 'tables', 'netdev')) ?? [];
    await inNetns(pod.netns, 'nft', 'delete', 'table', 'netdev', table ?? '');
    const { up } = await sendAll(
      pod,
      open,
      KINDS.map(({ frame }) => frame),
    );
    const passing = { guestAddresses: 'pod', spoofGuard: 'addresses' } as const;
    assert.is(up, KINDS.filter((kind) => outcomeOf(kind, passing, 'filters') !== 'out').length);
  }));

test.run();
