import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { toOutcome } from '../../../../cni/kernel/refusal.ts';
import type { Op } from '../../../../cni/plan/op.ts';
import type { BindingError } from '../../../../shared/errors.ts';
import type { Refusal } from '../../../../shared/netns/part.ts';
import type { NewAddress } from '../../../../shared/rtnetlink/address.ts';

const test = suite('toOutcome()');

function failureOf(op: Op, refusal: Refusal): BindingError | null {
  const outcome = toOutcome(op, refusal);
  return outcome === 'done' ? null : outcome;
}

const TAP: Op = {
  op: 'addTap',
  link: 'tap0',
  multiQueue: false,
  owner: 107,
  group: 107,
  selinuxContext: null,
};
const CLSACT: Op = { op: 'addClsact', link: 'eth0' };
const REDIRECT: Op = { op: 'addRedirect', from: 'eth0', to: 'tap0', cookie: '00' };
const SYSCTL: Op = { op: 'setSysctl', sysctl: 'net.ipv4.ping_group_range', value: '107 107' };
const UP: Op = { op: 'setLink', link: 'tap0', change: { set: 'up', on: true } };
const QUIET: Op = { op: 'setLink', link: 'tap0', change: { set: 'addrgenmode none' } };
const ADD_MACVTAP: Op = {
  op: 'addMacvtap',
  macvtap: {
    ...{ ifname: 'net1', ifindex: 2 ** 30, lower: 17, mode: 'bridge', mac: '02:00:00:00:00:0a' },
    ...{ mtu: 1500, txqlen: 1000, queues: 1, promisc: false },
  },
};
const WITH_IPV6 = { op: 'enableIpv6', link: 'tap0' } as const;
const NO_IPV6: Op = { op: 'disableIpv6', link: 'net1' };
const SILENCE = {
  op: 'addSilence',
  table: 'tapwire-0',
  podLink: 'eth0',
  tap: 'tap0',
  served: null,
  replaces: false,
} as const;
const FLOOR = {
  ...{ op: 'addFloor', table: 'tapwire-0', podLink: 'eth0', tap: 'tap0', serves: true, replaces: false },
} as const satisfies Op;
const RULES = {
  ...{ op: 'addRules', link: 'tap0', to: 'eth0', cookie: '00', rules: [], isGuard: false, owner: 7 },
} as const satisfies Op;
const ADDRESS: NewAddress = {
  ...{ family: 'inet6', local: 'fe80::75:10', prefixLength: 64, scope: 'link', nodad: true },
};
const ADD_ADDRESS = { op: 'addAddress', link: 'tap0', address: ADDRESS } as const;
const ROUTER = {
  ...({ op: 'addNeighbour', link: 'tap0', address: 'fe80::1', mac: '02:00:00:00:00:01' } as const),
};
const [EPERM, ENOENT, EBUSY, EEXIST, ENODEV, EINVAL, ENOTTY] = [1, 2, 16, 17, 19, 22, 25];
const [EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT, EADDRINUSE, ENETDOWN] = [93, 95, 97, 98, 100];
const EADDRNOTAVAIL = 99;

test('silencing IPv6 succeeds on a kernel without IPv6, and no other op does', () => {
  assert.is(toOutcome(QUIET, { errno: EAFNOSUPPORT, reason: 'x' }), 'done');
  const failure = failureOf(UP, { errno: EAFNOSUPPORT, reason: 'x' });
  assert.is(failure?.message, 'Cannot set "tap0" up: x');
});

test('a MAC that the lower device of a passthru does not accept is rejected with advice', () => {
  const op: Op = { op: 'setLink', link: 'net1', change: { set: 'address', mac: '02:00:00:00:00:0a' } };
  const failure = failureOf(op, { errno: EPERM, reason: 'Operation not permitted' });
  assert.equal(
    [failure?.code, failure?.message],
    [
      'KERNEL_REFUSED',
      'Cannot set address 02:00:00:00:00:0a on "net1": Operation not permitted; the lower device must accept this MAC: give the VM that of the device, or trust the virtual function',
    ],
  );
});

test('DEL completes in spite of a table that a process of the pod owns', () => {
  const refusal = { errno: EPERM, reason: 'nftables: Operation not permitted' };
  assert.is(toOutcome({ op: 'deleteSilence', table: 'tapwire-0' }, refusal), 'done');
  assert.is(toOutcome({ op: 'deleteFloor', table: 'tapwire-0' }, refusal), 'done');
  assert.is(failureOf(SILENCE, refusal)?.code, 'KERNEL_REFUSED');
  assert.is(failureOf(FLOOR, refusal)?.code, 'KERNEL_REFUSED');
});

for (const [op, errnos] of [
  [{ op: 'deleteRules', link: 'eth0', owner: 7 }, [ENOENT, EINVAL, ENODEV]],
  [{ op: 'deleteAddress', link: 'tap0', address: ADDRESS }, [EADDRNOTAVAIL, ENODEV]],
] as const) {
  test(`${op.op} succeeds if there is nothing to delete`, () => {
    for (const errno of errnos) assert.is(toOutcome(op, { errno, reason: 'x' }), 'done', `${errno}`);
    assert.is(failureOf(op, { errno: EBUSY, reason: 'x' })?.code, 'KERNEL_REFUSED');
  });
}

const NO_NF_TABLES = 'x; this kernel needs CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NF_TABLES_ARP';
const NO_NETDEV = 'x; this kernel needs CONFIG_NF_TABLES_NETDEV and CONFIG_NFT_LIMIT';
const NOT_UP = 'x; check that its lower link is up, and that no other link on it has the same MAC';
for (const [op, errno, reason, code, message] of [
  [SILENCE, ENOENT, 'x', 'KERNEL_UNSUPPORTED', NO_NF_TABLES],
  [SILENCE, EPROTONOSUPPORT, 'x', 'KERNEL_UNSUPPORTED', NO_NF_TABLES],
  [SILENCE, EOPNOTSUPP, 'x', 'KERNEL_UNSUPPORTED', NO_NF_TABLES],
  [SILENCE, EAFNOSUPPORT, 'x', 'KERNEL_UNSUPPORTED', NO_NF_TABLES],
  [SILENCE, EBUSY, 'x', 'KERNEL_REFUSED', 'x'],
  ...[ENOENT, EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT].map(
    (errno) => [FLOOR, errno, 'x', 'KERNEL_UNSUPPORTED', NO_NETDEV] as const,
  ),
  [FLOOR, ENODEV, 'x', 'LINK_MISSING', 'x'],
  [FLOOR, EBUSY, 'x', 'KERNEL_REFUSED', 'x'],
  [
    RULES,
    ENOENT,
    'x',
    'KERNEL_UNSUPPORTED',
    'x; this kernel needs CONFIG_NET_CLS_U32, or for a spoof guard CONFIG_NET_CLS_BPF, and CONFIG_NET_ACT_MIRRED',
  ],
  [RULES, ENODEV, 'x', 'LINK_MISSING', 'x'],
  [RULES, EINVAL, 'x', 'KERNEL_REFUSED', 'x'],
  [ADD_ADDRESS, EPERM, 'x', 'KERNEL_REFUSED', 'x'],
  [ADD_ADDRESS, ENODEV, 'x', 'LINK_MISSING', 'x'],
  [ROUTER, EINVAL, 'x', 'KERNEL_REFUSED', 'x'],
  [UP, EBUSY, 'x', 'KERNEL_REFUSED', NOT_UP],
  [UP, EADDRINUSE, 'x', 'KERNEL_REFUSED', NOT_UP],
  [UP, ENETDOWN, 'x', 'KERNEL_REFUSED', NOT_UP],
  [UP, EINVAL, 'x', 'KERNEL_REFUSED', 'x'],
  [TAP, EBUSY, 'TUNSETIFF: Device or resource busy', 'KERNEL_REFUSED', 'TUNSETIFF: Device or resource busy'],
  [
    TAP,
    ENOENT,
    'open /dev/net/tun: No such file or directory',
    'KERNEL_UNSUPPORTED',
    'open /dev/net/tun: No such file or directory; this kernel needs CONFIG_TUN (module tun)',
  ],
  [
    TAP,
    ENODEV,
    'No such device',
    'KERNEL_UNSUPPORTED',
    'No such device; this kernel needs CONFIG_TUN (module tun)',
  ],
  [
    TAP,
    ENOTTY,
    'tapwire mktap: Inappropriate ioctl for device',
    'KERNEL_REFUSED',
    'SELinux denies containers access to /dev/net/tun on this node, so the VM could not open the tap; ' +
      'label /dev/net/tun container_file_t, as KubeVirt does, or set the boolean container_use_devices',
  ],
  [
    TAP,
    ENOTTY,
    'TUNSETIFF: Inappropriate ioctl for device',
    'KERNEL_REFUSED',
    'TUNSETIFF: Inappropriate ioctl for device',
  ],
  [CLSACT, ENOENT, 'x', 'KERNEL_UNSUPPORTED', 'x; this kernel needs CONFIG_NET_SCH_INGRESS'],
  [CLSACT, ENODEV, 'x', 'LINK_MISSING', 'x'],
  [CLSACT, EINVAL, 'x', 'KERNEL_REFUSED', 'x'],
  [
    REDIRECT,
    ENOENT,
    'TC classifier not found (No such file or directory)',
    'KERNEL_UNSUPPORTED',
    'TC classifier not found (No such file or directory); ' +
      'this kernel needs CONFIG_NET_CLS_MATCHALL or CONFIG_NET_CLS_U32, and CONFIG_NET_ACT_MIRRED',
  ],
  [REDIRECT, EINVAL, 'x', 'KERNEL_REFUSED', 'x'],
  [REDIRECT, ENODEV, 'x', 'LINK_MISSING', 'x'],
  [UP, ENODEV, 'x', 'LINK_MISSING', 'x'],
  [SYSCTL, EINVAL, 'write: Invalid argument', 'KERNEL_REFUSED', 'write: Invalid argument'],
  [
    SYSCTL,
    ENOENT,
    'open: No such file or directory',
    'KERNEL_UNSUPPORTED',
    'open: No such file or directory; this kernel needs to be Linux 4.11 or newer',
  ],
  [
    SYSCTL,
    1,
    'make a procfs: Operation not permitted',
    'KERNEL_REFUSED',
    '/proc/sys is read-only here, and Tapwire cannot make a procfs: Operation not permitted; ' +
      'grant CAP_SYS_ADMIN on Linux 5.2 or newer, or mount /proc/sys writable',
  ],
  [{ op: 'deleteLink', link: 'tap0' }, ENOENT, 'x', 'KERNEL_REFUSED', 'x'],
  [
    ADD_MACVTAP,
    EOPNOTSUPP,
    'Unknown device type (Operation not supported)',
    'KERNEL_UNSUPPORTED',
    'Unknown device type (Operation not supported); this kernel needs CONFIG_MACVTAP (module macvtap)',
  ],
  [
    ADD_MACVTAP,
    EBUSY,
    'x',
    'KERNEL_REFUSED',
    'x; the lower device belongs to a bridge, bond or Open vSwitch; use a device that does not',
  ],
  [
    ADD_MACVTAP,
    EEXIST,
    'x',
    'KERNEL_REFUSED',
    'x; another program has added a link with that name or interface index to the pod; try again',
  ],
  [
    ADD_MACVTAP,
    ENODEV,
    'x',
    'KERNEL_REFUSED',
    'x; the lower device no longer exists; try again once the node has it',
  ],
  [
    ADD_MACVTAP,
    EINVAL,
    'x',
    'KERNEL_REFUSED',
    'x; another macvtap or macvlan may have the whole device (mode "passthru"), or this one cannot have it',
  ],
  [ADD_MACVTAP, EPERM, 'x', 'KERNEL_REFUSED', 'x'],
  [NO_IPV6, ENOENT, 'open: x', 'KERNEL_REFUSED', 'open: x'],
  [
    WITH_IPV6,
    EPERM,
    'make a procfs: x',
    'KERNEL_REFUSED',
    '/proc/sys is read-only here, and Tapwire cannot make a procfs: x; grant CAP_SYS_ADMIN on Linux 5.2 or newer, or mount /proc/sys writable',
  ],
  [
    NO_IPV6,
    EPERM,
    'make a procfs: x',
    'KERNEL_REFUSED',
    '/proc/sys is read-only here, and Tapwire cannot make a procfs: x; grant CAP_SYS_ADMIN on Linux 5.2 or newer, or mount /proc/sys writable',
  ],
] as const) {
  test(`${op.op} with errno ${errno} fails: ${reason}`, () => {
    const failure = failureOf(op, { errno, reason });
    const verbs = {
      addTap: 'add tap "tap0"',
      addClsact: 'add a clsact qdisc to "eth0"',
      addRedirect: 'redirect "eth0" to "tap0"',
      addSilence: 'silence the pod\'s own stack on "eth0" and "tap0"',
      deleteLink: 'delete "tap0"',
      addMacvtap: 'add macvtap "net1"',
      disableIpv6: 'disable IPv6 on "net1"',
      enableIpv6: 'enable IPv6 on "tap0"',
      addFloor: 'keep frames of "tap0" and "eth0" from the pod\'s own stack',
      addRules: 'add the rules of guest services to "tap0"',
      addAddress: 'add address fe80::75:10 to "tap0"',
      addNeighbour: 'add router fe80::1 to the neighbours of "tap0"',
      setLink: 'set "tap0" up',
      setSysctl: 'set net.ipv4.ping_group_range to "107 107"',
    };
    assert.equal([failure?.code, failure?.message], [code, `Cannot ${verbs[op.op]}: ${message}`]);
  });
}

const UNDO = {
  deleteLink: { op: 'deleteLink', link: 'tap0' },
  deleteClsact: { op: 'deleteClsact', link: 'eth0' },
  deleteRedirect: { op: 'deleteRedirect', from: 'eth0', cookie: '00' },
} as const;

for (const [op, errnos] of [
  [UNDO.deleteLink, [ENODEV]],
  [UNDO.deleteClsact, [ENOENT, EINVAL, ENODEV]],
  [UNDO.deleteRedirect, [ENOENT, EINVAL, ENODEV]],
] as const) {
  test(`${op.op} succeeds if there is nothing to delete`, () => {
    for (const errno of errnos) assert.is(toOutcome(op, { errno, reason: 'x' }), 'done', String(errno));
    assert.is(failureOf(op, { errno: EBUSY, reason: 'x' })?.code, 'KERNEL_REFUSED');
  });
}

test('an op whose reply is lost may have taken effect and fails with TRY_AGAIN', () => {
  for (const op of [TAP, CLSACT, QUIET, ...Object.values(UNDO)]) {
    const failure = failureOf(op, { errno: EINVAL, reason: 'x', isUnanswered: true });
    assert.is(failure?.code, 'TRY_AGAIN');
    assert.match(failure?.message ?? '', /^Cannot .*: the kernel's reply was lost \(x\); try again$/);
  }
});

test.run();
