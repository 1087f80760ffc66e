import type { Program } from '../../shared/bpf/program.ts';
import type { DeviceNumber } from '../../shared/netns/device-number.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import type { Sysctls } from '../../shared/netns/part.ts';
import { type Rule, rulesOf } from '../../shared/nftables/rule.ts';
import type { Table } from '../../shared/nftables/table.ts';
import { type Address, allAddresses } from '../../shared/rtnetlink/address.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { type Neighbour, neighboursOf } from '../../shared/rtnetlink/neighbour.ts';
import { allRoutes, type Route } from '../../shared/rtnetlink/route.ts';
import type { Run } from '../plan/op.ts';
import type { NetnsState } from '../plan/seen.ts';
import { type DeviceNode, readDeviceNode } from './device-node.ts';
import { type FoundRouter, findRouter } from './find-router.ts';
import { type Lower, readLower } from './lower-device.ts';
import { OpRun } from './op-run.ts';
import { type Classifiers, THIS_KERNEL } from './redirects.ts';
import { labelledTap } from './selinux.ts';
import { viewOf } from './view.ts';

/** Access to one netns: observes and changes it. */
export interface Kernel {
  /** Gid of this process, which must be able to ping in order to find a router. */
  readonly gid: number;
  observe(): Promise<NetnsState>;
  addresses(): Promise<readonly Address[]>;
  /** Addresses and routes at once. */
  network(): Promise<{ readonly addresses: readonly Address[]; readonly routes: readonly Route[] }>;
  /** Neighbours of a link. */
  neighbours(ifindex: number): Promise<readonly Neighbour[]>;
  /** Reads eBPF programs by id; omits those that cannot be read. */
  readPrograms(ids: readonly number[]): Promise<readonly Program[]>;
  /** Reads the rules of tables; omits those of tables that the kernel cannot list. */
  readRules(tables: readonly Table[]): Promise<readonly Rule[]>;
  readSysctls(): Promise<Sysctls>;
  /** Reads a device of the node; null if there is none. @see readLower of lower-device.ts */
  readLower(ifname: string, isForOne: boolean): Promise<Lower | null>;
  /** Reads the number that a macvtap's device node must have, and the node. */
  readDeviceNode(
    link: Link,
  ): Promise<{ readonly number: DeviceNumber | null; readonly node: DeviceNode | null }>;
  /**
   * Finds the link-local address of an IPv6 gateway that has a global one.
   *
   * @see findRouter of find-router.ts
   */
  findRouter(link: Link, gateway: string): Promise<FoundRouter>;
  /** Runs ops and waits for the kernel as rarely as the ops allow. */
  readonly run: Run;
  close(): Promise<void>;
}

export interface KernelOptions {
  readonly classifiers?: Classifiers;
  /** Where the device nodes of the node are. */
  readonly deviceDirectory?: string;
}

/** Gives access to the netns of a descriptor, which must stay open until `close`. */
export function openKernel(
  netns: number,
  { classifiers = THIS_KERNEL, deviceDirectory = '/dev' }: KernelOptions = {},
): Kernel {
  const rtnetlink = new Rtnetlink(netns);
  const view = viewOf(rtnetlink, classifiers, labelledTap);
  return {
    gid: process.getegid?.() ?? 0,
    observe: view.observe,
    async addresses() {
      const [addresses] = await rtnetlink.ask(allAddresses);
      return addresses;
    },
    async network() {
      const [addresses, routes] = await rtnetlink.ask(allAddresses, allRoutes);
      return { addresses, routes };
    },
    async neighbours(ifindex) {
      const [neighbours] = await rtnetlink.ask(neighboursOf(ifindex));
      return neighbours;
    },
    readPrograms: (ids) => rtnetlink.readPrograms(ids),
    async readRules(tables) {
      return (await rtnetlink.ask(...tables.map(rulesOf))).flat();
    },
    readSysctls: () => rtnetlink.readSysctls(),
    readLower,
    async readDeviceNode(link) {
      const number = await rtnetlink.readTapDevice(link);
      return { number, node: readDeviceNode(deviceDirectory, link.ifindex) };
    },
    findRouter: (link, gateway) => findRouter(netns, rtnetlink, link, gateway),
    async run(levels, continueOnError) {
      const place = { rtnetlink, view, classifiers, deviceDirectory };
      const outcomes = await new OpRun(place, continueOnError).run(levels);
      return levels.flat().map((_, i) => outcomes[i] ?? 'notReached');
    },
    close: () => rtnetlink.close(),
  };
}
