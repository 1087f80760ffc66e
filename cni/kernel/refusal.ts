/**
 * Says in an error why the kernel refused an op, and which option or permission is missing. For a
 * redirect, kernel.ts decides which classifier's refusal arrives here.
 */
import { BindingError } from '../../shared/errors.ts';
import type { Refusal } from '../../shared/netns/part.ts';
import { FLOOR_OPTIONS } from '../bindings/tap/floor.ts';
import { SILENCE_OPTIONS } from '../bindings/tap/silence.ts';
import { describeOp, linksOf, type Op } from '../plan/op.ts';

const EPERM = 1;
export const ENOENT = 2;
const EBUSY = 16;
const EEXIST = 17;
const ENODEV = 19;
const ENOTTY = 25;
export const EINVAL = 22;
const EPROTONOSUPPORT = 93;
const EOPNOTSUPP = 95;
const EAFNOSUPPORT = 97;
const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;
const ENETDOWN = 100;

/**
 * What a kernel needs for an op, if it refused the op with an errno of LACKS (ENOENT if the op is
 * not listed there).
 */
const OPTIONS: Readonly<Partial<Record<Op['op'], string>>> = {
  addTap: 'CONFIG_TUN (module tun)',
  addMacvtap: 'CONFIG_MACVTAP (module macvtap)',
  addClsact: 'CONFIG_NET_SCH_INGRESS',
  addRedirect: 'CONFIG_NET_CLS_MATCHALL or CONFIG_NET_CLS_U32, and CONFIG_NET_ACT_MIRRED',
  addSilence: SILENCE_OPTIONS,
  addFloor: FLOOR_OPTIONS,
  addRules: 'CONFIG_NET_CLS_U32, or for a spoof guard CONFIG_NET_CLS_BPF, and CONFIG_NET_ACT_MIRRED',
  setSysctl: 'to be Linux 4.11 or newer',
};
const NO_NFTABLES = [ENOENT, EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT];
/** Errnos that mean that the kernel lacks an op's options. */
const LACKS: Readonly<Partial<Record<Op['op'], readonly number[]>>> = {
  addTap: [ENOENT, ENODEV],
  addMacvtap: [EOPNOTSUPP],
  addSilence: NO_NFTABLES,
  addFloor: NO_NFTABLES,
};

/**
 * Errnos of a link that cannot go up: the lower link of a VLAN is down, or the MAC of a macvlan is
 * also that of the lower link or of another macvlan. The errno depends on the kernel version.
 */
const CANNOT_GO_UP = [EBUSY, EADDRINUSE, ENETDOWN];

/** What makes the kernel refuse a macvtap, by errno. */
const NO_MACVTAP: Readonly<Record<number, string>> = {
  [EBUSY]: 'the lower device belongs to a bridge, bond or Open vSwitch; use a device that does not',
  [EEXIST]: 'another program has added a link with that name or interface index to the pod; try again',
  [ENODEV]: 'the lower device no longer exists; try again once the node has it',
  [EINVAL]:
    'another macvtap or macvlan may have the whole device (mode "passthru"), or this one cannot have it',
};

/** Errnos of a deletion whose object no longer exists, or was replaced by one of another kind. */
const GONE: Readonly<Partial<Record<Op['op'], readonly number[]>>> = {
  deleteLink: [ENODEV],
  deleteClsact: [ENOENT, EINVAL, ENODEV],
  deleteRedirect: [ENOENT, EINVAL, ENODEV],
  deleteRules: [ENOENT, EINVAL, ENODEV],
  deleteAddress: [EADDRNOTAVAIL, ENODEV],
  // A process in the pod owns such a table. It only looks like ours, so it must not make DEL fail.
  deleteSilence: [EPERM],
  deleteFloor: [EPERM],
};

/**
 * Decides what a refused request means for its op. Some refusals are not failures, for example if
 * an object to delete no longer exists. Pure.
 *
 * @returns TRY_AGAIN if the op may have taken effect; LINK_MISSING if its link no longer exists
 */
export function toOutcome(op: Op, refusal: Refusal): 'done' | BindingError {
  const { errno, reason, isUnanswered } = refusal;
  if (isUnanswered) {
    return new BindingError(
      'TRY_AGAIN',
      `Cannot ${describeOp(op)}: the kernel's reply was lost (${reason}); try again`,
    );
  }
  if (GONE[op.op]?.includes(errno)) return 'done';
  const change = op.op === 'setLink' ? op.change.set : null;
  // Without IPv6 on the node, or with an MTU below 1280, the link has no IPv6 addresses anyway.
  if (change === 'addrgenmode none' && errno === EAFNOSUPPORT) return 'done';
  const advice = adviceOf(op, errno);
  if (advice !== undefined) {
    return new BindingError('KERNEL_REFUSED', `Cannot ${describeOp(op)}: ${reason}; ${advice}`);
  }
  if (reason.startsWith('tapwire mktap') && errno === ENOTTY) {
    return new BindingError(
      'KERNEL_REFUSED',
      `Cannot ${describeOp(op)}: SELinux denies containers access to /dev/net/tun on this node, so the VM could not open the tap; ` +
        'label /dev/net/tun container_file_t, as KubeVirt does, or set the boolean container_use_devices',
    );
  }
  if (
    (op.op === 'setSysctl' || op.op === 'disableIpv6' || op.op === 'enableIpv6') &&
    reason.startsWith('make a procfs')
  ) {
    return new BindingError(
      'KERNEL_REFUSED',
      `Cannot ${describeOp(op)}: /proc/sys is read-only here, and Tapwire cannot ${reason}; ` +
        'grant CAP_SYS_ADMIN on Linux 5.2 or newer, or mount /proc/sys writable',
    );
  }
  if (errno === ENODEV && linksOf(op).length > 0) {
    return new BindingError('LINK_MISSING', `Cannot ${describeOp(op)}: ${reason}`);
  }
  const options = (LACKS[op.op] ?? [ENOENT]).includes(errno) ? OPTIONS[op.op] : undefined;
  return options === undefined
    ? new BindingError('KERNEL_REFUSED', `Cannot ${describeOp(op)}: ${reason}`)
    : new BindingError(
        'KERNEL_UNSUPPORTED',
        `Cannot ${describeOp(op)}: ${reason}; this kernel needs ${options}`,
      );
}

/** Says what may help if the kernel refuses an op with this errno; undefined if that is unknown. */
function adviceOf(op: Op, errno: number): string | undefined {
  if (op.op === 'addMacvtap') return NO_MACVTAP[errno];
  if (op.op !== 'setLink' || errno === ENODEV) return undefined;
  if (op.change.set === 'address') {
    return 'the lower device must accept this MAC: give the VM that of the device, or trust the virtual function';
  }
  return op.change.set === 'up' && CANNOT_GO_UP.includes(errno)
    ? 'check that its lower link is up, and that no other link on it has the same MAC'
    : undefined;
}
