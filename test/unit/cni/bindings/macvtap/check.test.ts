import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findDefects, type SeenMacvtap } from '../../../../../cni/bindings/macvtap/check.ts';
import type { MacvtapRecord } from '../../../../../shared/record.ts';
import { IFF_ALLMULTI, IFF_PROMISC, IFF_UP } from '../../../../../shared/rtnetlink/link.ts';
import { MACVTAP, macvtapOf, VM_LAN } from '../../../../helpers/pod/seen.ts';

const test = suite('findDefects() of a macvtap');

const NUMBER = { major: 246, minor: 5 };
const NODE = { number: NUMBER, owner: 107, group: 107, mode: 0o600 };
const NAME = 'macvtap "net1"';
const PATH = `device node /dev/tap${VM_LAN}`;

const seen = (changes: Partial<SeenMacvtap> = {}): SeenMacvtap => ({
  ...{ link: macvtapOf(), record: MACVTAP, number: NUMBER, node: NODE },
  ...changes,
});
const recorded = (changes: Partial<MacvtapRecord>): MacvtapRecord => ({ ...MACVTAP, ...changes });
const PROMISC = recorded({ promisc: true });
const NO_MULTICAST = recorded({ allmulticast: false });
const UP = IFF_UP | IFF_ALLMULTI;

for (const [why, state] of [
  ['as ADD left it', seen()],
  [
    'with another MAC and MTU, which a later plugin may set',
    seen({ link: macvtapOf({ mac: '02:00:00:00:00:ff', mtu: 1400 }) }),
  ],
  ['without carrier: the lower device is down', seen({ link: macvtapOf({ hasCarrier: false }) })],
  ['with promiscuous mode of another program', seen({ link: macvtapOf({ flags: UP | IFF_PROMISC }) })],
  [
    'with promiscuous mode of ADD',
    seen({ record: PROMISC, link: macvtapOf({ flags: UP | IFF_PROMISC }, PROMISC) }),
  ],
  ['without allmulticast', seen({ record: NO_MULTICAST, link: macvtapOf({ flags: IFF_UP }, NO_MULTICAST) })],
  [
    'with a device node for root and another group',
    seen({ record: recorded({ owner: 0, group: 36 }), node: { ...NODE, owner: 0, group: 36 } }),
  ],
] as const) {
  test(`finds nothing at a macvtap ${why}`, () => assert.equal(findDefects(state), []));
}

for (const [state, want] of [
  [seen({ link: macvtapOf({}, recorded({ mode: 'vepa' })) }), [`${NAME} has mode vepa instead of bridge`]],
  [seen({ link: macvtapOf({}, MACVTAP, { mode: 16 }) }), [`${NAME} has mode unknown instead of bridge`]],
  [seen({ link: macvtapOf({ flags: IFF_ALLMULTI }) }), [`${NAME} is down`]],
  [
    seen({ link: macvtapOf({ flags: IFF_UP }) }),
    [`${NAME} has allmulticast off, so the guest does not receive IPv6 neighbour solicitations`],
  ],
  [seen({ record: PROMISC, link: macvtapOf({}, PROMISC) }), [`${NAME} has promiscuous mode off`]],
  [
    seen({ link: macvtapOf({}, MACVTAP, { hasIpv6: true }) }),
    [`${NAME} has IPv6 on, so the pod's own stack sends with the guest's MAC`],
  ],
  [seen({ node: null }), [`${PATH} is gone`]],
  [seen({ node: { ...NODE, number: null } }), [`${PATH} is not that of "net1"`]],
  [seen({ node: { ...NODE, number: { major: 246, minor: 6 } } }), [`${PATH} is not that of "net1"`]],
  [seen({ number: null }), [`${PATH} is not that of "net1"`]],
  [
    seen({ node: { ...NODE, owner: 0, group: 0 } }),
    [`${PATH} belongs to 0:0, mode 0600 instead of 107:107, mode 0600`],
  ],
  [
    seen({ node: { ...NODE, mode: 0o666 } }),
    [`${PATH} belongs to 107:107, mode 0666 instead of 107:107, mode 0600`],
  ],
  [
    seen({ link: macvtapOf({ flags: 0 }, MACVTAP, { mode: 8 }), node: null }),
    [
      `${NAME} has mode passthru instead of bridge`,
      `${NAME} is down`,
      `${NAME} has allmulticast off, so the guest does not receive IPv6 neighbour solicitations`,
      `${PATH} is gone`,
    ],
  ],
] as const) {
  test(`finds ${want.join('; ')}`, () => assert.equal(findDefects(state), want));
}

test('does not tell whose device node it is that a link with a forged index names', () => {
  const node = { number: { major: 246, minor: 9 }, owner: 4711, group: 4712, mode: 0o640 };
  const [defect, ...others] = findDefects(seen({ link: macvtapOf({ ifindex: VM_LAN + 7 }), node }));
  assert.equal([defect, others], [`device node /dev/tap${VM_LAN + 7} is not that of "net1"`, []]);
});

test.run();
