import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { observeFilters } from '../../../../cni/kernel/observe-filters.ts';
import type { Query } from '../../../../shared/netlink/message.ts';
import type { Rtnetlink } from '../../../../shared/netns/netns.ts';
import { filtersOf } from '../../../../shared/rtnetlink/filter.ts';
import { clsactOf, redirectOf } from '../../../helpers/pod/seen.ts';

const test = suite('observeFilters()');

/**
 * A socket that sends these replies in turn and records the requests: ifindex, parent, pref and
 * protocol.
 */
function socketThat(...answers: readonly (readonly unknown[])[]) {
  const left = [...answers];
  const asked: (readonly (number | undefined)[])[] = [];
  const look = async (...queries: readonly Query<unknown>[]) => {
    for (const { request } of queries) asked.push([request.body[1], request.body[3], request.body[4]]);
    return { answers: left.shift() ?? assert.unreachable('there are no further requests'), unsettled: null };
  };
  return { rtnetlink: { look } as unknown as Rtnetlink, asked };
}

const [INGRESS, EGRESS] = [0xfffffff2, 0xfffffff3];
/** Pref of the redirect, then those of rules, for frames of any protocol. */
const PLACES = [65535, 65520, 65521, 65522, 65523, 65524, 65527];
const PLACE_INFOS = PLACES.map((pref) => pref * 0x10000);
const TOO_LONG = { refused: 'Message too long' };
const [eth0, tap0] = [redirectOf(2, 3), redirectOf(3, 2)];

test('both sides of a clsact and the one of an ingress qdisc are read in one round', async () => {
  const { rtnetlink, asked } = socketThat([[eth0], [], [tap0]]);
  const qdiscs = [clsactOf(2), { ...clsactOf(3), kind: 'ingress' as const }];
  assert.equal(await observeFilters(rtnetlink, qdiscs, filtersOf), { filters: [eth0, tap0], gaps: [] });
  assert.equal(asked, [
    [2, INGRESS, 0],
    [2, EGRESS, 0],
    [3, 0xffff0000, 0],
  ]);
});

test('a link without a qdisc is not asked about', async () => {
  assert.equal(await observeFilters(socketThat().rtnetlink, [], filtersOf), { filters: [], gaps: [] });
});

test("of a side that cannot be listed only Tapwire's places are read, and the link is named", async () => {
  const { rtnetlink, asked } = socketThat([TOO_LONG, [], [tap0], []], [[eth0]], [], []);
  assert.equal(await observeFilters(rtnetlink, [clsactOf(2), clsactOf(3)], filtersOf), {
    filters: [tap0, eth0],
    gaps: [{ ifindex: 2, reason: 'Message too long' }],
  });
  assert.equal(
    asked.slice(4),
    PLACE_INFOS.map((info) => [2, INGRESS, info]),
  );
});

test("a side that cannot be read at all has no filters of Tapwire's", async () => {
  const nothing = [TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG];
  const { rtnetlink } = socketThat([TOO_LONG, TOO_LONG], nothing, nothing, nothing, nothing, nothing);
  const gap = { ifindex: 2, reason: 'Message too long' };
  assert.equal(await observeFilters(rtnetlink, [clsactOf(2)], filtersOf), { filters: [], gaps: [gap, gap] });
});

test.run();
