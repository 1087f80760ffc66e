import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findFloor, floorAddition, floorDeletion } from '../../../../../cni/bindings/tap/floor.ts';
import { EXCEPTIONS, ISOLATION_RULES } from '../../../../../cni/bindings/tap/service-rules.ts';
import { silenceTable } from '../../../../../cni/bindings/tap/silence.ts';
import { ACCEPT } from '../../../../../shared/nftables/expression.ts';
import { KEY, OTHER, withFloor } from '../../../../helpers/pod/seen.ts';

const test = suite('the floor');

const TABLE = silenceTable(KEY);
const OP = { table: TABLE, podLink: 'eth0', tap: 'tap0', replaces: false } as const;
/** NFT_MSG_* by number. */
const WORDS = { 0: '+table', 2: '-table', 3: '+chain', 6: '+rule' } as const;
const shown = (requests: ReturnType<typeof floorDeletion>) =>
  requests.map(({ type }) => WORDS[(type & 0xff) as keyof typeof WORDS]);
/** The chain of the tap: the exceptions, and the rule that drops everything else. */
const GUEST = ['+chain', ...EXCEPTIONS.map(() => '+rule'), '+rule'];
const NETWORK = ['+chain', ...ISOLATION_RULES.map(() => '+rule')];

test('floorAddition() adds one table of family netdev, with a chain for each link that has rules', () => {
  const served = floorAddition({ ...OP, serves: true });
  assert.equal(shown(served), ['+table', ...GUEST, ...NETWORK]);
  assert.ok(
    served.every(({ body }) => ((body[0] ?? 0) & 0xff) === 5),
    'NFPROTO_NETDEV',
  );
  assert.equal(shown(floorAddition({ ...OP, serves: false })), ['+table', '+chain', '+rule']);
});

test('floorAddition() deletes an earlier table in the same batch, so that no frame passes meanwhile', () => {
  const requests = floorAddition({ ...OP, serves: false, replaces: true });
  assert.equal(shown(requests), ['+table', '-table', '+table', '+chain', '+rule']);
});

test('floorDeletion() adds the table before it deletes it, so that a missing table is not an error', () => {
  assert.equal(shown(floorDeletion(TABLE)), ['+table', '-table']);
});

test('findFloor() tells what each rule has counted', () => {
  const { hasTable, counts } = findFloor(TABLE, true, withFloor(true, { packets: 2, bytes: 90 }));
  assert.ok(hasTable);
  assert.equal(
    counts?.served,
    EXCEPTIONS.map(({ what }) => ({ what, packets: 2, bytes: 90 })),
  );
  assert.equal(counts?.dropped, { packets: 2, bytes: 90 });
  assert.equal(
    counts?.isolated,
    ISOLATION_RULES.map(({ what }) => ({ what, packets: 2, bytes: 90 })),
  );
});

test('findFloor() of a guard alone needs one rule', () => {
  const counts = { served: [], dropped: { packets: 1, bytes: 60 }, isolated: [] };
  const found = findFloor(TABLE, false, withFloor(false, { packets: 1, bytes: 60 }));
  assert.equal(found, { hasTable: true, counts });
});

test('findFloor() finds nothing in an empty netns, or in the table of another attachment', () => {
  const nothing = { hasTable: false, counts: null };
  assert.equal(findFloor(TABLE, true, { tables: [], rules: [], refusal: null }), nothing);
  assert.equal(findFloor(TABLE, true, withFloor(true, undefined, OTHER)), nothing);
});

test('findFloor() does not accept a floor that lacks any of its rules', () => {
  const floor = withFloor(true);
  for (const missing of floor.rules) {
    const rules = floor.rules.filter((rule) => rule !== missing);
    assert.equal(findFloor(TABLE, true, { ...floor, rules }), { hasTable: true, counts: null });
  }
  assert.is(findFloor(TABLE, true, withFloor(false)).counts, null);
});

test('findFloor() does not accept a floor with another rule, which may accept everything', () => {
  const floor = withFloor(false);
  const table = { family: 'netdev', name: TABLE } as const;
  const rules = [{ table, chain: 'guest', expressions: [ACCEPT] }, ...floor.rules];
  assert.is(findFloor(TABLE, false, { ...floor, rules }).counts, null);
});

test('findFloor() does not accept rules of the same name in another family or chain', () => {
  const { tables, rules, refusal } = withFloor(false);
  for (const changes of [{ table: { family: 'inet', name: TABLE } }, { chain: 'other' }] as const)
    assert.is(
      findFloor(TABLE, false, { tables, rules: rules.map((rule) => ({ ...rule, ...changes })), refusal })
        .counts,
      null,
    );
});

test.run();
