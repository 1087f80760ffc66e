import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findDefects, refuseDefects } from '../../../../../cni/bindings/tap/check.ts';
import { silenceTable } from '../../../../../cni/bindings/tap/silence.ts';
import { IFF_ALLMULTI, IFF_UP } from '../../../../../shared/rtnetlink/link.ts';
import { caught } from '../../../../helpers/caught.ts';
import {
  attachmentOf,
  BARE,
  clsactOf,
  ETH0,
  endsIn,
  KEY,
  LO,
  linkOf,
  NOTHING,
  OTHER,
  redirectOf,
  silenced,
  tapOf,
  wired,
} from '../../../../helpers/pod/seen.ts';

const test = suite('findDefects()');

const EARLIER = tapOf().ifalias?.replace(' down=0 silence=0', '') ?? '';
const DOWN = { ...ETH0, flags: 0 };
const SILENCED = tapOf({}, KEY, { ...NOTHING, silence: true });
const NOT_SILENT =
  `the pod's own stack is not silenced on "eth0" any more: nftables tables "${silenceTable(KEY)}" are gone or changed; ` +
  'restart the VM to have them added again';
for (const [why, seen, want] of [
  [
    'the pod link went down',
    wired({ links: [LO, DOWN, tapOf()] }),
    ['pod link "eth0" is down, so that no frame passes; set it up: ip link set eth0 up'],
  ],
  [
    'nothing if the pod link has no carrier',
    wired({ links: [LO, { ...ETH0, hasCarrier: false }, tapOf()] }),
    [],
  ],
  [
    'nothing if the pod link is down and an earlier version wired it, which did not set it up',
    wired({ links: [LO, DOWN, tapOf({ ifalias: EARLIER })] }),
    [],
  ],
  ['nothing if all rules exist', wired({ links: [LO, ETH0, SILENCED], nftables: silenced() }), []],
  [
    'the rules are gone',
    wired({ links: [LO, ETH0, SILENCED], nftables: { tables: [], rules: [], refusal: null } }),
    [NOT_SILENT],
  ],
  [
    'one rule is gone',
    wired({ links: [LO, ETH0, SILENCED], nftables: { ...silenced(), rules: silenced().rules.slice(1) } }),
    [NOT_SILENT],
  ],
  ['nothing if the kernel cannot list its rules', wired({ links: [LO, ETH0, SILENCED] }), []],
  ['nothing if ADD added no rules', wired({ nftables: { tables: [], rules: [], refusal: null } }), []],
  [
    'nothing if an earlier version added none',
    wired({
      links: [LO, ETH0, tapOf({ ifalias: EARLIER })],
      nftables: { tables: [], rules: [], refusal: null },
    }),
    [],
  ],
] as const) {
  test(`link state and silence: finds ${why}`, () => {
    assert.equal(findDefects(attachmentOf(), endsIn(seen)), want);
  });
}

const withTap = (tap: Parameters<typeof tapOf>[0]) => wired({ links: [LO, ETH0, tapOf(tap)] });
const ALLMULTI = { clsact: true, allmulti: true, noQueue: false, down: false, silence: false };
const tun = { mode: 'tap', owner: 107, group: 107, multiQueue: false, persist: true } as const;

for (const [why, seen, want] of [
  ['nothing after ADD', wired(), []],
  [
    'the tap is gone',
    wired({ links: [LO, ETH0] }),
    ['tap "tap0" is gone', '"eth0" is redirected to a link that is gone instead of "tap0"'],
  ],
  [
    'the pod link is gone',
    wired({ links: [LO, tapOf()] }),
    ['pod link "eth0" is gone', '"tap0" is redirected to a link that is gone instead of "eth0"'],
  ],
  ['the tap is down', withTap({ flags: 0 }), ['tap "tap0" is down']],
  [
    'the tap has another owner',
    withTap({ tun: { ...tun, owner: 0 } }),
    ['tap "tap0" has owner 0 instead of 107'],
  ],
  [
    'the tap has no group',
    withTap({ tun: { ...tun, group: null } }),
    ['tap "tap0" has group none instead of 107'],
  ],
  [
    'the tap has other queues',
    withTap({ tun: { ...tun, multiQueue: true } }),
    ['tap "tap0" has multiQueue true instead of false'],
  ],
  [
    'the tap is not persistent',
    withTap({ tun: { ...tun, persist: false } }),
    ['tap "tap0" has persistence false instead of true'],
  ],
  ['the tap has a smaller mtu', withTap({ mtu: 1000 }), ['tap "tap0" has mtu 1000 instead of 1500']],
  [
    'a later plugin made the pod link too small',
    wired({ links: [LO, { ...ETH0, mtu: 1400 }, tapOf()] }),
    ['tap "tap0" has mtu 1500, more than the 1400 of "eth0"'],
  ],
  [
    'nothing when a later plugin made the pod link larger',
    wired({ links: [LO, { ...ETH0, mtu: 9000, mac: '02:00:00:00:00:99' }, tapOf()] }),
    [],
  ],
  [
    'the tap belongs to another program',
    withTap({ ifalias: null }),
    ['"tap0" is a tun link that Tapwire did not make'],
  ],
  [
    "the tap is another container's",
    wired({ links: [LO, ETH0, tapOf({}, OTHER)] }),
    ['"tap0" is the Tapwire link of "net1" in container "pod2"'],
  ],
  [
    "the pod link's qdisc is gone",
    wired({ qdiscs: [clsactOf(3)], filters: [redirectOf(3, 2)] }),
    ['"eth0" has no clsact qdisc, so no redirect to "tap0"'],
  ],
  [
    "the pod link's filters cannot be listed",
    wired({ gaps: [{ ifindex: 2, reason: 'Message too long' }] }),
    ['not all filters of "eth0" can be listed (Message too long); remove those that another program added'],
  ],
  [
    "another link's filters cannot be listed",
    wired({ gaps: [{ ifindex: 1, reason: 'Message too long' }] }),
    [],
  ],
  [
    "a filter with Tapwire's cookie in another chain",
    wired({ filters: [{ ...redirectOf(2, 3), chain: 5 }, redirectOf(3, 2)] }),
    ['"eth0" has no redirect to "tap0"'],
  ],
  [
    "the pod link's redirect is gone",
    wired({ filters: [redirectOf(3, 2)] }),
    ['"eth0" has no redirect to "tap0"'],
  ],
  [
    "the tap's redirect is gone",
    wired({ filters: [redirectOf(2, 3)] }),
    ['"tap0" has no redirect to "eth0"'],
  ],
  [
    'a redirect leads elsewhere',
    wired({ filters: [redirectOf(2, 1), redirectOf(3, 2)] }),
    ['"eth0" is redirected to "lo" instead of "tap0"'],
  ],
  [
    "another program takes the pod link's frames",
    wired({ filters: [{ ...redirectOf(2, 1, OTHER), pref: 1 }, redirectOf(2, 3), redirectOf(3, 2)] }),
    ['"eth0" has a u32 filter at pref 1 that takes its frames'],
  ],
  [
    "another program takes the tap's frames",
    wired({ filters: [{ ...redirectOf(3, 1, OTHER), pref: 1 }, redirectOf(2, 3), redirectOf(3, 2)] }),
    ['"tap0" has a u32 filter at pref 1 that takes its frames'],
  ],
  [
    "Tapwire's redirect is on another link, too",
    wired({
      links: [LO, ETH0, tapOf(), linkOf(9, 'eth1')],
      filters: [redirectOf(2, 3), redirectOf(3, 2), redirectOf(9, 3)],
    }),
    ['"eth1" is redirected as well'],
  ],
  [
    "the tap is a tun with the alias of Tapwire's tap",
    withTap({ tun: { ...tun, mode: 'tun' } }),
    ['"tap0" is a tun link that Tapwire did not make'],
  ],
  [
    'the pod link lost the allmulticast that ADD turned on',
    wired({ links: [LO, { ...ETH0, kind: 'macvlan' }, tapOf({}, KEY, ALLMULTI)] }),
    ['pod link "eth0" has allmulticast off, so the guest does not receive IPv6 neighbour solicitations'],
  ],
  [
    'nothing for a pod link with the allmulticast that ADD turned on',
    wired({
      links: [LO, { ...ETH0, kind: 'macvlan', flags: IFF_UP | IFF_ALLMULTI }, tapOf({}, KEY, ALLMULTI)],
    }),
    [],
  ],
  ...['macvlan', 'bridge', 'kind-of-tomorrow', null].map(
    (kind) =>
      [
        `nothing for a ${kind} link on which ADD did not turn allmulticast on`,
        wired({ links: [LO, { ...ETH0, kind }, tapOf()] }),
        [],
      ] as const,
  ),
] as const) {
  test(why, () => {
    assert.equal(findDefects(attachmentOf(), endsIn(seen)), want);
  });
}

test('refuseDefects() names every defect in one error', async () => {
  const [attachment, ends] = [attachmentOf(), endsIn({ ...BARE, links: [LO, linkOf(2, 'eth1')] })];
  const error = await caught(() => refuseDefects(findDefects(attachment, ends), attachment, ends));
  assert.equal(
    [error.code, error.message, error.details],
    [
      'WIRING_BROKEN',
      'Cannot confirm the wiring of "eth0": tap "tap0" is gone; pod link "eth0" is gone',
      'links seen: lo, eth1',
    ],
  );
  refuseDefects([], attachment, ends);
});

test('findDefects() ignores the record of another attachment', () => {
  const other = { ...attachmentOf(), key: { ...KEY, ifname: 'net2' } };
  assert.equal(findDefects(other, endsIn(wired(), other)).length, 3);
});

test.run();
