import { closeSync } from 'node:fs';
import { BindingError } from '../shared/errors.ts';
import { describeFailure, native } from '../shared/native/native.ts';
import { type Address, dumpAddresses } from '../shared/rtnetlink/address.ts';
import {
  addRedirect,
  CLASSIFIERS,
  type Classifier,
  deleteFilter,
  dumpFilters,
  type Filter,
  isHashTable,
  type RedirectFilter,
} from '../shared/rtnetlink/filter.ts';
import { deleteLink, dumpLinks, type Link, setLink } from '../shared/rtnetlink/link.ts';
import { addClsact, deleteClsact, dumpIngressQdiscs, type IngressQdisc } from '../shared/rtnetlink/qdisc.ts';
import { openRtnetlink, type Refusal } from '../shared/rtnetlink/socket.ts';
import { describeOp, type Op } from './op.ts';
import { REDIRECT_PREF } from './wiring.ts';

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

const ENOENT = 2;
const ENODEV = 19;
const EINVAL = 22;
const EAFNOSUPPORT = 97;

/** Opens the netns behind the descriptor, which must stay open as long as taps are added. */
export function openKernel(netns: number, classifiers: readonly Classifier[] = CLASSIFIERS): Kernel {
  const rtnetlink = openRtnetlink(netns);
  /** Ifname => ifindex, of the last look. */
  const ifindexes = new Map<string, number>();
  /** Best first; once one has worked, that one. */
  let available = classifiers;
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

  const filtersOf = async (qdisc: IngressQdisc): Promise<readonly Filter[]> => [
    ...(await dumpFilters(rtnetlink, qdisc, 'ingress')),
    ...(qdisc.kind === 'clsact' ? await dumpFilters(rtnetlink, qdisc, 'egress') : []),
  ];

  const qdiscOf = async (ifindex: number): Promise<Pick<IngressQdisc, 'ifindex' | 'kind'>> => {
    const qdiscs = await dumpIngressQdiscs(rtnetlink);
    return qdiscs.find((qdisc) => qdisc.ifindex === ifindex) ?? { ifindex, kind: 'clsact' };
  };

  const redirect = async (filter: RedirectFilter, op: Op): Promise<void> => {
    let refusal: Refusal | null = null;
    for (const classifier of available) {
      refusal = await addRedirect(rtnetlink, filter, classifier);
      if (refusal === null) available = [classifier];
      // No such classifier, or no mirred; a table that another classifier left at our pref.
      if (refusal?.errno !== ENOENT && refusal?.errno !== EINVAL) break;
    }
    if (refusal?.errno === ENOENT) {
      throw unsupported(
        op,
        refusal,
        'CONFIG_NET_CLS_MATCHALL or CONFIG_NET_CLS_U32, and CONFIG_NET_ACT_MIRRED',
      );
    }
    accept(refusal, op);
  };

  const deleteRedirect = async (ifindex: number, cookie: string, op: Op): Promise<void> => {
    const filters = await dumpFilters(rtnetlink, await qdiscOf(ifindex), 'ingress');
    const atOurPref = filters.filter(({ pref }) => pref === REDIRECT_PREF);
    const ours = atOurPref.filter(({ redirect }) => redirect?.cookie === cookie);
    const isAlone = atOurPref.every((filter) => ours.includes(filter) || isHashTable(filter));
    for (const filter of ours) {
      // Without a handle all at this pref goes: u32 keeps an empty hash table otherwise while others use u32 here.
      accept(await deleteFilter(rtnetlink, isAlone ? { ...filter, handle: 0 } : filter), op);
    }
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
        const { kind: qdisc } = await qdiscOf(from);
        return redirect({ from, qdisc, to, pref: REDIRECT_PREF, cookie: op.cookie }, op);
      }
      case 'deleteRedirect':
        return deleteRedirect(await ifindexOf(op.from, op), op.cookie, op);
    }
    const ifindex = await ifindexOf(op.link, op);
    switch (op.op) {
      case 'setAlias':
        return accept(await setLink(rtnetlink, ifindex, { set: 'alias', ifalias: op.ifalias }), op);
      case 'setMtu':
        return accept(await setLink(rtnetlink, ifindex, { set: 'mtu', mtu: op.mtu }), op);
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
      for (const qdisc of qdiscs) filters.push(...(await filtersOf(qdisc)));
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
