import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeOp, linksOf, type Op, setLink } from '../../../../cni/plan/op.ts';
import type { NewMacvtap } from '../../../../shared/rtnetlink/macvtap.ts';

const test = suite('describeOp() and linksOf()');

const NEW: NewMacvtap = {
  ...{ ifname: 'net1', ifindex: 7, lower: 17, mode: 'bridge', mac: '02:00:00:00:00:0a' },
  ...{ mtu: 1500, txqlen: 1000, queues: 1, promisc: false },
};

const OPS: readonly (readonly [Op, string, readonly string[]])[] = [
  [{ op: 'addMacvtap', macvtap: NEW }, 'add macvtap "net1"', []],
  [{ op: 'freeDeviceNode', ifindex: 7 }, 'delete the old device node /dev/tap7', []],
  [{ op: 'deleteDeviceNode', ifindex: 7 }, 'delete the old device node /dev/tap7', []],
  [{ op: 'disableIpv6', link: 'net1' }, 'disable IPv6 on "net1"', ['net1']],
  [
    { op: 'claimDeviceNode', link: 'net1', ifindex: 7, owner: 107, group: 107 },
    'give "net1" its device node /dev/tap7',
    ['net1'],
  ],
  [{ op: 'deleteLink', link: 'net1' }, 'delete "net1"', ['net1']],
  [setLink('net1', { set: 'alias', ifalias: 'x' }), 'write the record on "net1"', ['net1']],
  [
    setLink('net1', { set: 'address', mac: '02:00:00:00:00:0a' }),
    'set address 02:00:00:00:00:0a on "net1"',
    ['net1'],
  ],
  [setLink('net1', { set: 'mtu', mtu: 1400 }), 'set mtu 1400 on "net1"', ['net1']],
  [setLink('net1', { set: 'txqueuelen', txqlen: 0 }), 'set txqueuelen 0 on "net1"', ['net1']],
  [setLink('net1', { set: 'addrgenmode none' }), 'set addrgenmode none on "net1"', ['net1']],
  [setLink('net1', { set: 'accept_local' }), 'set accept_local and rp_filter on "net1"', ['net1']],
  [setLink('net1', { set: 'up', on: false }), 'set "net1" down', ['net1']],
  [setLink('net1', { set: 'allmulticast', on: true }), 'turn allmulticast on on "net1"', ['net1']],
  [setLink('net1', { set: 'promisc', on: true }), 'turn promiscuous mode on on "net1"', ['net1']],
];

for (const [op, text, links] of OPS) {
  test(`${op.op}: ${text}`, () => {
    assert.is(describeOp(op), text);
    assert.equal(linksOf(op), links);
  });
}

test.run();
