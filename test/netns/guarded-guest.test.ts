/**
 * A guest with a kernel of its own under each spoof guard: it is reachable with the addresses and
 * the MAC of the pod, and under a guard not with others.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RULE_FORMS, type RuleForm } from '../../cni/kernel/rules.ts';
import type { SpoofGuard } from '../../shared/record.ts';
import {
  type AddressedPod,
  GATEWAYS,
  inNetns,
  POD_LINKS,
  type PodLinkKind,
  wire,
  withAddressedPod,
} from '../helpers/pod/guarded-pod.ts';
import { canPing, type Guest, withGuest } from '../helpers/pod/guest.ts';
import { MAC, OWN4, OWN6 } from '../helpers/pod/spoof-kinds.ts';

const test = suite('a guest under a spoof guard');

const [OTHERS, OTHER_MAC] = [['192.0.2.66', '2001:db8::66'], '02:00:00:00:00:66'] as const;

/** Gives the NIC this MAC and these addresses instead of those that it has. */
async function become({ netns }: Guest, mac: string, [ipv4, ipv6]: readonly [string, string]): Promise<void> {
  await netns.ip('addr flush dev nic0');
  await netns.ip(`link set nic0 down addrgenmode eui64 address ${mac}`);
  await netns.ip('link set nic0 up');
  await netns.ip(`addr add ${ipv4}/24 dev nic0`);
  await netns.ip(`addr add ${ipv6}/64 dev nic0 nodad`);
}

/** Which pings are answered: by the gateway, and by the guest at these addresses; first IPv4. */
async function pings({ outside }: AddressedPod, { netns }: Guest, own: readonly string[]) {
  await Promise.all([outside, netns].map((one) => inNetns(one, 'ip', 'neigh', 'flush', 'all')));
  return Promise.all([
    ...GATEWAYS.map((gateway) => canPing(netns, gateway)),
    ...own.map((address) => canPing(outside, address)),
  ]);
}

const [ALL, NONE] = [Array(4).fill(true), Array(4).fill(false)];

const withGuardedGuest = (
  link: PodLinkKind,
  spoofGuard: SpoofGuard,
  form: RuleForm,
  act: (pod: AddressedPod, guest: Guest) => Promise<void>,
): Promise<void> =>
  withAddressedPod(link, async (pod) => {
    await pod.outside.ip(`addr add ${GATEWAYS[0]}/24 dev host0`);
    await pod.outside.ip(`addr add ${GATEWAYS[1]}/64 dev host0 nodad`);
    await wire(pod, { guestAddresses: 'pod', spoofGuard }, form);
    await withGuest(MAC, (guest) => guest.plugInto(pod.netns, () => act(pod, guest)));
  });

const CASES = [
  ['off', 'filters', { asOther: ALL, withOtherMac: ALL }],
  ...RULE_FORMS.map((form) => ['mac', form, { asOther: ALL, withOtherMac: NONE }] as const),
  ...RULE_FORMS.map((form) => ['addresses', form, { asOther: NONE, withOtherMac: NONE }] as const),
] as const;

/** The guest takes other addresses, then another MAC, and then those of the pod again. */
async function changeAll(link: PodLinkKind, [guard, form, wanted]: (typeof CASES)[number]): Promise<void> {
  await withGuardedGuest(link, guard, form, async (pod, guest) => {
    const why = `guard "${guard}" as ${form}`;
    const own = [OWN4[0], OWN6[0]] as const;
    await become(guest, MAC, own);
    assert.equal(await pings(pod, guest, own), ALL, `${why}: with the addresses of the pod`);
    await become(guest, MAC, OTHERS);
    assert.equal(await pings(pod, guest, OTHERS), wanted.asOther, `${why}: with other addresses`);
    await become(guest, OTHER_MAC, own);
    // A macvlan gets no frames for other MACs than its own.
    const withOtherMac = link === 'macvlan' ? NONE : wanted.withOtherMac;
    assert.equal(await pings(pod, guest, own), withOtherMac, `${why}: with another MAC`);
    await become(guest, MAC, own);
    assert.equal(await pings(pod, guest, own), ALL, `${why}: with those of the pod again`);
  });
}

/** Tests all guards at once, because pings without an answer take seconds. */
for (const link of POD_LINKS) {
  test(`${link}: a guest is reachable with the addresses and the MAC of the pod, and with others only if the guard allows it`, () =>
    Promise.all(CASES.map((one) => changeAll(link, one))).then(() => {}));
}

test.run();
