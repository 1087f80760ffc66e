import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeOp, linksOf, type Op, setLink } from '../../../../cni/plan/op.ts';
import type { NewAddress } from '../../../../shared/rtnetlink/address.ts';
import type { NewMacvtap } from '../../../../shared/rtnetlink/macvtap.ts';

const test = suite('describeOp() and linksOf()');

const NEW: NewMacvtap = {
  ...{ ifname: 'net1', ifindex: 7, lower: 17, mode: 'bridge', mac: '02:00:00:00:00:0a' },
  ...{ mtu: 1500, txqlen: 1000, queues: 1, promisc: false },
};

const RULES = {
  ...{ op: 'addRules', link: 'tap0', to: 'eth0', cookie: '00', rules: [], isGuard: false, owner: 7 },
} as const satisfies Op;
const ADDRESS: NewAddress = {
  ...{ family: 'inet', local: '169.254.75.10', prefixLength: 32, scope: 'link', nodad: false },
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
  [{ op: 'enableIpv6', link: 'tap0' }, 'enable IPv6 on "tap0"', ['tap0']],
  [
    { op: 'addFloor', table: 't', podLink: 'eth0', tap: 'tap0', serves: true, replaces: false },
    'keep frames of "tap0" and "eth0" from the pod\'s own stack',
    ['eth0', 'tap0'],
  ],
  [{ op: 'deleteFloor', table: 't' }, 'delete the nftables table "t" of family netdev', []],
  [RULES, 'add the rules of guest services to "tap0"', ['tap0', 'eth0']],
  [{ ...RULES, isGuard: true }, 'add the spoof guard to "tap0"', ['tap0', 'eth0']],
  [{ op: 'deleteRules', link: 'tap0', owner: 7 }, 'delete the rules of "tap0"', ['tap0']],
  [{ op: 'addAddress', link: 'tap0', address: ADDRESS }, 'add address 169.254.75.10 to "tap0"', ['tap0']],
  [
    { op: 'deleteAddress', link: 'tap0', address: ADDRESS },
    'delete address 169.254.75.10 of "tap0"',
    ['tap0'],
  ],
  [
    { op: 'addNeighbour', link: 'tap0', address: 'fe80::1', mac: '02:00:00:00:00:0a' },
    'add router fe80::1 to the neighbours of "tap0"',
    ['tap0'],
  ],
  [
    { op: 'setSysctl', sysctl: 'net.ipv4.ping_group_range', value: '107 107' },
    'set net.ipv4.ping_group_range to "107 107"',
    [],
  ],
];

for (const [op, text, links] of OPS) {
  test(`${op.op}: ${text}`, () => {
    assert.is(describeOp(op), text);
    assert.equal(linksOf(op), links);
  });
}

test.run();
