import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silenceTable } from '../../../../cni/bindings/tap/silence.ts';
import { encodeCookie } from '../../../../cni/plan/cookie.ts';
import { planDel } from '../../../../cni/plan/plan-del.ts';
import {
  BARE,
  clsactOf,
  ETH0,
  KEY,
  LO,
  linkOf,
  OTHER,
  redirectOf,
  silenced,
  tapOf,
  wired,
} from '../../../helpers/seen.ts';

const test = suite('planDel()');

const BOTH = { clsact: true, allmulti: true, noQueue: false, down: false, silence: false };
const NO_QUEUE = { clsact: true, allmulti: false, noQueue: true, down: false, silence: false };
const NEITHER = { clsact: false, allmulti: false, noQueue: false, down: false, silence: false };
const deleteRedirect = (
  restore = { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
) => ({ op: 'deleteRedirect', from: 'eth0', cookie: encodeCookie(KEY, restore) }) as const;
const deleteClsact = { op: 'deleteClsact', link: 'eth0' } as const;
const deleteTap = { op: 'deleteLink', link: 'tap0' } as const;
const allmultiOff = { op: 'setLink', link: 'eth0', change: { set: 'allmulticast', on: false } } as const;
const police = { ...redirectOf(2, 1), pref: 7, redirect: null };

for (const [why, seen, want] of [
  ['after ADD: frees the pod link first', wired(), [deleteRedirect(), deleteClsact, deleteTap]],
  ['nothing of ours', BARE, []],
  [
    "another container's wiring stays",
    wired({ links: [LO, ETH0, tapOf({}, OTHER)], filters: [redirectOf(2, 3, OTHER)] }),
    [],
  ],
  ['a tap that somebody else made stays', { ...BARE, links: [ETH0, tapOf({ ifalias: null })] }, []],
  [
    'what ADD found is left: qdisc',
    wired({ links: [LO, ETH0, tapOf({}, KEY, NEITHER)], filters: [redirectOf(2, 3, KEY, NEITHER)] }),
    [deleteRedirect(NEITHER), deleteTap],
  ],
  [
    "a qdisc with somebody else's filter stays",
    wired({ filters: [redirectOf(2, 3), police] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    "a qdisc with somebody else's filter at its egress stays",
    wired({ filters: [redirectOf(2, 3), { ...police, direction: 'egress' }] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    "a qdisc with somebody else's filter at our pref stays",
    wired({ filters: [redirectOf(2, 3), { ...police, pref: 65535 }] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    'a qdisc with a shared filter block, put there instead of ours, stays',
    wired({ qdiscs: [{ ...clsactOf(2), isShared: true }, clsactOf(3)], filters: [] }),
    [deleteTap],
  ],
  [
    "the hash tables of our own filter are nobody else's",
    wired({
      filters: [
        redirectOf(2, 3),
        { ...police, pref: 65535, handle: 0x80000000 },
        { ...police, pref: 65535, handle: 0 },
      ],
    }),
    [deleteRedirect(), deleteClsact, deleteTap],
  ],
  [
    'what the record says goes before what the cookie says',
    wired({ filters: [redirectOf(2, 3, KEY, BOTH)] }),
    [deleteRedirect(BOTH), deleteClsact, deleteTap],
  ],
  [
    "a link with our tap's alias that is no tap stays",
    { ...BARE, links: [ETH0, linkOf(3, 'tap0', { ifalias: tapOf().ifalias })] },
    [],
  ],
  [
    'a pod link without a queue has none again',
    wired({ filters: [redirectOf(2, 3, KEY, NO_QUEUE)], links: [LO, ETH0, tapOf({}, KEY, NO_QUEUE)] }),
    [
      deleteRedirect(NO_QUEUE),
      deleteClsact,
      { op: 'setLink', link: 'eth0', change: { set: 'txqueuelen', txqlen: 0 } },
      deleteTap,
    ],
  ],
  [
    'allmulticast goes back off',
    wired({ links: [LO, ETH0, tapOf({}, KEY, BOTH)], filters: [redirectOf(2, 3, KEY, BOTH)] }),
    [deleteRedirect(BOTH), deleteClsact, allmultiOff, deleteTap],
  ],
  [
    'the tap with the record is gone: the cookie tells',
    wired({ links: [LO, ETH0], filters: [redirectOf(2, 0, KEY, BOTH)] }),
    [deleteRedirect(BOTH), deleteClsact, allmultiOff],
  ],
  ['a crash before the redirect: the record tells', wired({ filters: [] }), [deleteClsact, deleteTap]],
  ['a crash before the qdisc', wired({ qdiscs: [], filters: [] }), [deleteTap]],
  [
    'the pod link was renamed meanwhile: its filter tells',
    wired({ links: [LO, linkOf(2, 'nic0'), tapOf()] }),
    [{ ...deleteRedirect(), from: 'nic0' }, { ...deleteClsact, link: 'nic0' }, deleteTap],
  ],
  [
    'an ingress qdisc in place of ours stays',
    wired({ qdiscs: [{ ...clsactOf(2), kind: 'ingress' }, clsactOf(3)], filters: [redirectOf(3, 2)] }),
    [deleteTap],
  ],
  [
    'a redirect of ours goes out of an ingress qdisc, which stays',
    wired({ qdiscs: [{ ...clsactOf(2), kind: 'ingress' }, clsactOf(3)] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    'a qdisc whose filters the kernel cannot list stays',
    wired({ gaps: [{ ifindex: 2, reason: 'Message too long' }] }),
    [deleteRedirect(), deleteTap],
  ],
  [
    "another link's filters that the kernel cannot list do not matter",
    wired({ gaps: [{ ifindex: 3, reason: 'Message too long' }] }),
    [deleteRedirect(), deleteClsact, deleteTap],
  ],
  [
    'a netns that changes all the time: what was seen of ours goes',
    wired({ gaps: [{ ifindex: null, reason: 'it changed' }] }),
    [deleteRedirect(), deleteClsact, deleteTap],
  ],
  [
    'a filter with our cookie in another chain is forged, and stays',
    { ...BARE, filters: [{ ...redirectOf(2, 3), chain: 5 }] },
    [],
  ],
  [
    'a filter with our cookie at another pref is forged, and stays',
    { ...BARE, filters: [{ ...redirectOf(2, 3), pref: 1 }] },
    [],
  ],
  ['the pod link is gone', wired({ links: [LO, tapOf()], qdiscs: [], filters: [] }), [deleteTap]],
] as const) {
  test(why, () => {
    assert.equal(planDel(KEY, seen), want);
  });
}

const DOWN = { ...NEITHER, down: true };
const goDown = { op: 'setLink', link: 'eth0', change: { set: 'up', on: false } } as const;
const deleteSilence = { op: 'deleteSilence', table: silenceTable(KEY) } as const;
for (const [why, seen, want] of [
  [
    'a pod link that was down goes down again before its rules are deleted',
    wired({ links: [LO, ETH0, tapOf({}, KEY, DOWN)], filters: [], nftables: silenced() }),
    [goDown, deleteTap, deleteSilence],
  ],
  [
    'an earlier version wrote the record again, without that key: the cookie tells',
    wired({
      links: [LO, ETH0, tapOf({ ifalias: tapOf({}, KEY, NEITHER).ifalias?.replace(' down=0', '') ?? '' })],
      filters: [redirectOf(2, 3, KEY, DOWN)],
    }),
    [deleteRedirect(DOWN), goDown, deleteTap],
  ],
  [
    'the tap with the record is gone: the cookie tells that the pod link was down',
    wired({ links: [LO, ETH0], filters: [redirectOf(2, 0, KEY, DOWN)], nftables: silenced() }),
    [deleteRedirect(DOWN), goDown, deleteSilence],
  ],
  ['nothing is left but rules', { ...BARE, nftables: silenced() }, [deleteSilence]],
  [
    'nothing is left but a table without rules',
    { ...BARE, nftables: { ...silenced(), tables: silenced().tables.slice(1), rules: [] } },
    [deleteSilence],
  ],
  ["another attachment's rules stay", { ...BARE, nftables: silenced(undefined, OTHER) }, []],
] as const) {
  test(why, () => {
    assert.equal(planDel(KEY, seen), want);
  });
}

test('another ifname of the same container is another attachment', () => {
  assert.equal(planDel({ ...KEY, ifname: 'net2' }, wired()), []);
});

test.run();
