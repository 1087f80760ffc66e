import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
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

const test = suite('endsOf()');

test('finds both ends of a wired pod with what is at them', () => {
  const { pod, tap, ...rest } = endsIn(wired());
  const restored = { restore: NOTHING, cookie: redirectOf(2, 3).redirect?.cookie };
  assert.equal(pod, {
    link: ETH0,
    qdisc: clsactOf(2),
    redirect: { ...restored, to: 3, target: tapOf() },
    conflicts: [],
    record: null,
    targets: [tapOf()],
    rules: { filters: 0, digest: null },
  });
  assert.equal(tap?.redirect, { ...restored, to: 2, target: ETH0 });
  assert.equal([tap?.record?.key, tap?.record?.binding, tap?.record?.podLink], [KEY, 'tap', 'eth0']);
  const silence = { refusal: 'Protocol not supported', hasTables: false, dropped: null };
  const floor = { hasTable: false, counts: null };
  assert.equal(rest, { strays: [], gap: null, silence, floor, links: [LO, ETH0, tapOf()] });
});

test('finds no tap, no qdisc and no redirect before ADD', () => {
  const { pod, tap } = endsIn(BARE);
  assert.is(tap, null);
  assert.equal([pod?.qdisc, pod?.redirect, pod?.targets], [null, null, []]);
});

test('ignores the record and the redirect of another attachment, but names its target', () => {
  const seen = wired({ links: [LO, ETH0, tapOf({}, OTHER)], filters: [redirectOf(2, 3, OTHER)] });
  const { pod, tap } = endsIn(seen);
  assert.equal([tap?.record, pod?.redirect], [null, null]);
  assert.equal(
    pod?.targets.map(({ ifname }) => ifname),
    ['tap0'],
  );
  assert.equal(
    pod?.conflicts.map(({ to, verdict }) => [to, verdict]),
    [['tap0', 'deadly']],
  );
});

test('tells a redirect to a link that no longer exists', () => {
  const { pod } = endsIn(wired({ filters: [redirectOf(2, 9), redirectOf(3, 2)] }));
  assert.equal([pod?.redirect?.to, pod?.redirect?.target, pod?.targets], [9, null, []]);
});

test('names other links with our redirect, once each', () => {
  const links = [LO, ETH0, tapOf(), linkOf(9, 'eth1'), linkOf(8, 'eth2')];
  const elsewhere = [
    redirectOf(9, 3),
    redirectOf(9, 2),
    { ...redirectOf(8, 3), pref: 1 },
    redirectOf(8, 3, OTHER),
  ];
  assert.equal(endsIn(wired({ links, filters: [redirectOf(2, 3), ...elsewhere] })).strays, ['eth1']);
});

test('reads the silence of the attachment, and not that of another', () => {
  assert.equal(endsIn(wired({ nftables: silenced({ packets: 1, bytes: 10 }) })).silence, {
    refusal: null,
    hasTables: true,
    dropped: { packets: 4, bytes: 40 },
  });
  const { silence } = endsIn(wired({ nftables: silenced(undefined, OTHER) }));
  assert.equal(silence, { refusal: null, hasTables: false, dropped: null });
});

test.run();
