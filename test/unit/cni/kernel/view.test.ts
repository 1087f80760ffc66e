import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { viewOf } from '../../../../cni/kernel/view.ts';
import type { Op } from '../../../../cni/plan/op.ts';
import type { Rtnetlink } from '../../../../shared/netns/netns.ts';
import { caught } from '../../../helpers/caught.ts';
import { BARE, ETH0, NO_NFTABLES, tapOf, wired } from '../../../helpers/pod/seen.ts';

const test = suite('viewOf()');

const UP: Op = { op: 'setLink', link: 'tap0', change: { set: 'up', on: true } };
const REDIRECT: Op = { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: '00' };

/** Returns a view of a socket that sends these replies in turn. */
const viewThat = (...answers: readonly (readonly unknown[])[]) => unsettledView(null, ...answers);

function unsettledView(unsettled: string | null, ...answers: readonly (readonly unknown[])[]) {
  const left = [...answers];
  const asked: number[] = [];
  const ask = async (...queries: readonly unknown[]) => {
    asked.push(queries.length);
    return left.shift() ?? assert.unreachable('there are no further requests');
  };
  const look = async (...queries: readonly unknown[]) => ({
    answers: await ask(...queries),
    unsettled,
    tcx: [],
  });
  const classifiers = { candidates: ['matchall', 'u32'] as ('matchall' | 'u32')[], guardForms: [] };
  return { view: viewOf({ ask, look } as unknown as Rtnetlink, classifiers, () => null), asked, classifiers };
}

const { links, qdiscs, filters } = wired();
const { rules: _, ...NO_TABLES } = NO_NFTABLES;

test('observe() needs one round for a bare netns, and a second one for the filters of both sides of each qdisc', async () => {
  const bare = viewThat([BARE.links, [], NO_TABLES]);
  assert.equal(await bare.view.observe(), BARE);
  assert.equal(bare.asked, [3]);

  const [one, two] = filters;
  const { view, asked } = viewThat([links, qdiscs, NO_TABLES], [[one], [], [two], []]);
  assert.equal(await view.observe(), wired());
  assert.equal(asked, [3, 4]);
});

test('observe() tells links apart that a dump lists with the same name', async () => {
  const [first, second] = [ETH0, tapOf()];
  const { view } = unsettledView('it changed', [[first, { ...second, ifname: first.ifname }], [], NO_TABLES]);
  const { links: seen } = await view.observe();
  assert.equal(
    seen.map(({ ifname }) => [ifname, view.known(UP).ifindexOf(ifname)]),
    [
      ['eth0', first.ifindex],
      [`eth0 (ifindex ${second.ifindex})`, second.ifindex],
    ],
  );
});

test('observe() lists the tables and leaves reading their rules to the caller', async () => {
  const tables = { tables: [{ family: 'inet', name: 'tapwire-0123456789abcdef' }], refusal: null };
  const { view, asked } = viewThat([links, [], tables]);
  assert.equal((await view.observe()).nftables, { ...tables, rules: [] });
  assert.equal(asked, [3]);
});

test('observe() reads one side of the older ingress qdisc', async () => {
  const [qdisc] = qdiscs;
  const { view, asked } = viewThat([links, [{ ...qdisc, kind: 'ingress' }], NO_TABLES], [[]]);
  await view.observe();
  assert.equal(asked, [3, 1]);
  assert.equal([2, 3].map(view.known(UP).qdiscOf), ['ingress', 'clsact']);
});

test('observe() reports what it could not read, and returns nothing without links', async () => {
  const { view } = unsettledView('it changed', [BARE.links, [], NO_TABLES]);
  assert.equal(await view.observe(), { ...BARE, gaps: [{ ifindex: null, reason: 'it changed' }] });
  const error = await caught(viewThat([{ refused: 'Message too long' }, []]).view.observe);
  assert.equal(
    [error.code, error.message],
    ['KERNEL_REFUSED', 'Cannot read the state of the netns: Message too long'],
  );
});

test('the view knows what it has seen, what it was told, and what it has read again', async () => {
  const { view } = viewThat([BARE.links, [], NO_TABLES], [links]);
  await view.observe();
  assert.not(view.knows(UP));
  const error = await caught(() => view.known(UP).ifindexOf('tap0'));
  assert.equal([error.code, error.message], ['LINK_MISSING', 'Cannot set "tap0" up: there is no "tap0"']);

  view.addLink('tap0', 0); // The kernel chooses it.
  assert.not(view.knows(REDIRECT));
  view.addLink('tap0', 9);
  assert.is(view.known(UP).ifindexOf('tap0'), 9);
  await view.findLinks();
  assert.ok(view.knows(REDIRECT));
  assert.is(view.known(UP).ifindexOf('tap0'), 3);
});

test('the free index is above all others, and unknown before the links are read', async () => {
  const { view } = viewThat([links, [], NO_TABLES]);
  assert.is(view.known(UP).freeIfindex(), 0);
  await view.observe();
  assert.is(view.known(UP).freeIfindex(), 4);
});

test('the free index follows those that the kernel chooses, not that of a macvtap', async () => {
  const [first] = BARE.links;
  for (const [indexes, want] of [
    [[1, 2, 2 ** 29, 2 ** 31 - 1], 3],
    [[2 ** 29 - 1, 2 ** 30], 0],
    [[2 ** 30], 0],
  ] as const) {
    const { view } = viewThat([
      indexes.map((ifindex) => ({ ...first, ifname: `link${ifindex}`, ifindex })),
      [],
      NO_TABLES,
    ]);
    await view.observe();
    assert.is(view.known(UP).freeIfindex(), want, indexes.join());
  }
});

test('the kernel chooses an index if the last possible one is taken', async () => {
  const [first] = BARE.links;
  const { view } = viewThat([[{ ...first, ifindex: 2 ** 31 - 1 }], [], NO_TABLES]);
  await view.observe();
  assert.is(view.known(UP).freeIfindex(), 0);
});

test('filters are forgotten once they have changed', async () => {
  const { view } = viewThat([links, qdiscs, NO_TABLES], [filters, [], [], []]);
  assert.is(view.known(UP).filters, null);
  await view.observe();
  assert.equal(
    view.known(UP).filters,
    Map.groupBy(filters, ({ ifindex }) => ifindex),
  );
  view.forgetFilters();
  assert.is(view.known(UP).filters, null);
});

test('the classifier is known once one of them has worked', () => {
  const { view, classifiers } = viewThat();
  assert.is(view.known(REDIRECT).classifier, null);
  classifiers.candidates = ['u32'];
  assert.is(view.known(REDIRECT).classifier, 'u32');
});

test.run();
