import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attribute, nested, struct, text } from '../../../../shared/netlink/attribute.ts';
import { countedQdiscs, decodeTraffic } from '../../../../shared/rtnetlink/counters.ts';

const test = suite('decodeTraffic()');

const TCMSG = [0, 2, 1, 0, 0];
/** A matchall filter whose action has these statistics. */
function filter(kind: string, ...statistics: readonly (readonly number[])[]) {
  const mirred = struct(2, [0, 0, 4, 0, 0, 1, 7]);
  const action = nested(1, text(1, kind), nested(2, mirred), nested(4, ...statistics));
  const words = [...TCMSG, ...text(1, 'matchall'), ...nested(2, nested(2, action))];
  return { body: Buffer.from(new Uint32Array(words).buffer) };
}
const BASIC = struct(1, [300, 0, 3]);

test('reads 64 bits of bytes and 32 of packets', () => {
  assert.equal(decodeTraffic(filter('mirred', BASIC)), { bytes: 300, packets: 3 });
  assert.equal(decodeTraffic(filter('mirred', struct(1, [1, 2, 3]))), { bytes: 2 ** 33 + 1, packets: 3 });
});

test('reads 64 bits of packets if the kernel sends them', () => {
  assert.equal(decodeTraffic(filter('mirred', BASIC, struct(8, [5, 1]))), {
    bytes: 300,
    packets: 2 ** 32 + 5,
  });
});

test('returns null for another action, no action, and a short message', () => {
  assert.is(decodeTraffic(filter('gact', BASIC)), null);
  assert.is(decodeTraffic(filter('mirred')), null);
  assert.is(decodeTraffic(filter('mirred', attribute(1, Buffer.alloc(8)))), null);
});

test('countedQdiscs() reads what the filters of a link have dropped', () => {
  const ingress = [0, 2, 0xffff0000, 0xfffffff1, 0];
  const queue = struct(3, [0, 0, 7, 0, 0]); // struct gnet_stats_queue
  const qdisc = (...attributes: readonly (readonly number[])[]) => {
    const words = [...ingress, ...text(1, 'clsact'), ...attributes.flat()];
    return { type: 36, flags: 0, seq: 1, body: Buffer.from(new Uint32Array(words).buffer) };
  };
  const counted = countedQdiscs.decode([qdisc(nested(7, queue)), qdisc(), qdisc(nested(7, struct(3, [1])))]);
  assert.equal(
    counted.map(({ ifindex, kind, dropped }) => [ifindex, kind, dropped]),
    [
      [2, 'clsact', 7],
      [2, 'clsact', 0],
      [2, 'clsact', 0],
    ],
  );
});

test.run();
