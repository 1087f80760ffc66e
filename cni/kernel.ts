import { closeSync } from 'node:fs';
import { BindingError } from '../shared/errors.ts';
import { describeFailure, native } from '../shared/native/native.ts';
import { type Address, dumpAddresses } from '../shared/rtnetlink/address.ts';
import type { Classifier, Filter } from '../shared/rtnetlink/filter.ts';
import { deleteLink, dumpLinks, type Link, setLink } from '../shared/rtnetlink/link.ts';
import { addClsact, deleteClsact, dumpIngressQdiscs, type IngressQdisc } from '../shared/rtnetlink/qdisc.ts';
import { openRtnetlink, type Refusal } from '../shared/rtnetlink/socket.ts';
import { describeOp, type Op } from './op.ts';
import { dumpBothSides, ENOENT, redirectsOf } from './redirects.ts';

/** What of a netns matters to the planner. */
export interface Netns {
  readonly links: readonly Link[];
  readonly qdiscs: readonly IngressQdisc[];
  readonly filters: readonly Filter[];
}

/** One netns: looked at, changed. */
export interface Kernel {
  observe(): Promise<Netns>;
  addresses(): Promise<readonly Address[]>;
  /** @throws {BindingError} KERNEL_REFUSED, KERNEL_UNSUPPORTED, LINK_MISSING */
  run(op: Op): Promise<void>;
  close(): void;
}

const ENODEV = 19;
const EAFNOSUPPORT = 97;

const REDIRECT_OPTIONS = 'CONFIG_NET_CLS_MATCHALL or CONFIG_NET_CLS_U32, and CONFIG_NET_ACT_MIRRED';

/** Opens the netns behind the descriptor, which must stay open as long as taps are added. */
export function openKernel(netns: number, classifiers?: readonly Classifier[]): Kernel {
  const rtnetlink = openRtnetlink(netns);
  /** Ifname => ifindex, of the last look. */
  const ifindexes = new Map<string, number>();
  const redirects = redirectsOf(rtnetlink, classifiers);
  /** Ifname => descriptor of a tap that is not persistent yet. */
  const taps = new Map<string, number>();

  const links = async (): Promise<readonly Link[]> => {
    const seen = await dumpLinks(rtnetlink);
    ifindexes.clear();
    for (const { ifname, ifindex } of seen) ifindexes.set(ifname, ifindex);
    return seen;
  };

  const ifindexOf = async (link: string, op: Op): Promise<number> => {
    if (!ifindexes.has(link)) await links();
    const ifindex = ifindexes.get(link);
    if (ifindex === undefined)
      throw new BindingError('LINK_MISSING', `Cannot ${describeOp(op)}: no "${link}"`);
    return ifindex;
  };

  const run = async (op: Op): Promise<void> => {
    switch (op.op) {
      case 'addTap':
        taps.set(op.link, createTap(netns, op));
        return;
      case 'persistTap':
        return persistTap(taps, op);
      case 'addRedirect': {
        const [from, to] = [await ifindexOf(op.from, op), await ifindexOf(op.to, op)];
        const refusal = await redirects.add(from, to, op.cookie);
        if (refusal?.errno === ENOENT) throw unsupported(op, refusal, REDIRECT_OPTIONS);
        return accept(refusal, op);
      }
      case 'deleteRedirect':
        return accept(await redirects.delete(await ifindexOf(op.from, op), op.cookie), op);
    }
    const ifindex = await ifindexOf(op.link, op);
    switch (op.op) {
      case 'setAlias':
        return accept(await setLink(rtnetlink, ifindex, { set: 'alias', ifalias: op.ifalias }), op);
      case 'setMtu':
        return accept(await setLink(rtnetlink, ifindex, { set: 'mtu', mtu: op.mtu }), op);
      case 'setTxqlen':
        return accept(await setLink(rtnetlink, ifindex, { set: 'txqueuelen', txqlen: op.txqlen }), op);
      case 'setAddrGenModeNone': {
        const refusal = await setLink(rtnetlink, ifindex, { set: 'addrgenmode none' });
        // No IPv6 on this node, or on a link with an MTU below 1280: nothing to keep silent.
        return refusal?.errno === EAFNOSUPPORT ? undefined : accept(refusal, op);
      }
      case 'setUp':
        return accept(await setLink(rtnetlink, ifindex, { set: 'up', on: op.on }), op);
      case 'setAllmulti':
        return accept(await setLink(rtnetlink, ifindex, { set: 'allmulticast', on: op.on }), op);
      case 'deleteLink':
        return accept(await deleteLink(rtnetlink, ifindex), op);
      case 'addClsact': {
        const refusal = await addClsact(rtnetlink, ifindex);
        if (refusal?.errno === ENOENT) throw unsupported(op, refusal, 'CONFIG_NET_SCH_INGRESS');
        return accept(refusal, op);
      }
      case 'deleteClsact':
        return accept(await deleteClsact(rtnetlink, ifindex), op);
    }
  };

  return {
    async observe() {
      const seen = await links();
      const qdiscs = await dumpIngressQdiscs(rtnetlink);
      const filters: Filter[] = [];
      for (const qdisc of qdiscs) filters.push(...(await dumpBothSides(rtnetlink, qdisc)));
      return { links: seen, qdiscs, filters };
    },
    addresses: () => dumpAddresses(rtnetlink),
    run,
    close() {
      for (const fd of taps.values()) closeSync(fd);
      rtnetlink.close();
    },
  };
}

function createTap(netns: number, op: Extract<Op, { op: 'addTap' }>): number {
  try {
    return native.createTap(netns, op.link, op.multiQueue, op.owner ?? -1, op.group ?? -1);
  } catch (cause) {
    const reason = describeFailure(cause);
    const { errno } = cause as { errno: number };
    if (errno === ENOENT || errno === ENODEV)
      throw unsupported(op, { errno, reason }, 'CONFIG_TUN (module tun)');
    throw new BindingError('KERNEL_REFUSED', `Cannot ${describeOp(op)}: ${reason}`, { cause });
  }
}

/** The descriptor goes: QEMU cannot attach to a single-queue tap that somebody else has open. */
function persistTap(taps: Map<string, number>, op: Extract<Op, { op: 'persistTap' }>): void {
  const fd = taps.get(op.link);
  if (fd === undefined) throw new Error(`No tap "${op.link}" was added before it was made persistent`);
  try {
    native.persistTap(fd);
  } catch (cause) {
    throw new BindingError('KERNEL_REFUSED', `Cannot ${describeOp(op)}: ${describeFailure(cause)}`, {
      cause,
    });
  }
  taps.delete(op.link);
  closeSync(fd);
}

function accept(refusal: Refusal | null, op: Op): void {
  if (refusal !== null)
    throw new BindingError('KERNEL_REFUSED', `Cannot ${describeOp(op)}: ${refusal.reason}`);
}

function unsupported(op: Op, refusal: Refusal, options: string): BindingError {
  return new BindingError(
    'KERNEL_UNSUPPORTED',
    `Cannot ${describeOp(op)}: ${refusal.reason}; this kernel needs ${options}`,
  );
}
