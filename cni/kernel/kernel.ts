import type { Program } from '../../shared/bpf/program.ts';
import { toError } from '../../shared/errors.ts';
import type { Request } from '../../shared/netlink/message.ts';
import type { DeviceNumber } from '../../shared/netns/device-number.ts';
import { openRtnetlink } from '../../shared/netns/netns.ts';
import type { RequestOutcome, Sysctls } from '../../shared/netns/part.ts';
import { type Rule, rulesOf } from '../../shared/nftables/rule.ts';
import type { Table } from '../../shared/nftables/table.ts';
import { type Address, allAddresses } from '../../shared/rtnetlink/address.ts';
import { filtersOf } from '../../shared/rtnetlink/filter.ts';
import { filtersAt } from '../../shared/rtnetlink/filters-at.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { describeOp, type Op, type Outcome, REDIRECT_PREF, type Run } from '../plan/op.ts';
import type { NetnsState } from '../plan/seen.ts';
import { type DeviceNode, readDeviceNode, runOnDeviceNode } from './device-node.ts';
import { type DeviceNodeOp, encodeOp, encodeRedirect } from './encode-op.ts';
import { type Lower, readLower } from './lower-device.ts';
import { type Classifiers, redirectDeletions, THIS_KERNEL } from './redirects.ts';
import { EINVAL, ENOENT, toOutcome } from './refusal.ts';
import { newScript } from './script.ts';
import { labelledTap } from './selinux.ts';
import { viewOf } from './view.ts';

/** Access to one netns: observes and changes it. */
export interface Kernel {
  observe(): Promise<NetnsState>;
  addresses(): Promise<readonly Address[]>;
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
  /** Runs ops and waits for the kernel as rarely as the ops allow. */
  readonly run: Run;
  close(): Promise<void>;
}

export interface KernelOptions {
  readonly classifiers?: Classifiers;
  /** Where the device nodes of the node are. */
  readonly deviceDirectory?: string;
}

/**
 * Gives access to the netns of a descriptor, which must stay open until `close`.
 *
 * 1. `change` sends requests of one op; `addRedirect` tries the classifiers that the kernel may
 *    have; `runAlone` runs a redirect whose classifier is not known yet, or a deletion that must
 *    read the filters first.
 * 2. `runLevels` collects ops in a script. It sends the script when an op needs the outcome of the
 *    earlier ones, and at the end.
 * 3. The returned object also reads addresses, programs, rules and sysctls.
 */
export function openKernel(
  netns: number,
  { classifiers = THIS_KERNEL, deviceDirectory = '/dev' }: KernelOptions = {},
): Kernel {
  const rtnetlink = openRtnetlink(netns);
  const view = viewOf(rtnetlink, classifiers, labelledTap);

  const change = async (requests: readonly Request[]): Promise<RequestOutcome> => {
    const [outcomes = 'notReached'] = await rtnetlink.run([{ part: 'change', requests }], true);
    if (outcomes === 'notReached') throw new Error('Cannot change the netns: no request was sent');
    return outcomes.find((outcome) => outcome !== 'done') ?? 'done';
  };

  const addRedirect = async (op: Extract<Op, { op: 'addRedirect' }>): Promise<RequestOutcome> => {
    let outcome: RequestOutcome = 'done';
    for (const classifier of classifiers.candidates) {
      outcome = await change([encodeRedirect(op, classifier, view.known(op))]);
      if (outcome === 'done') {
        classifiers.candidates = [classifier];
        break;
      }
      // Try the next classifier if this kernel lacks this one or mirred, or if another classifier
      // left its table at our pref.
      if (outcome.errno !== ENOENT && outcome.errno !== EINVAL) break;
    }
    return outcome;
  };

  /** Runs an op that `encodeOp` cannot encode, because the op depends on a reply of the kernel. */
  const runAlone = async (op: Op): Promise<RequestOutcome> => {
    if (op.op === 'addRedirect') return addRedirect(op);
    if (op.op !== 'deleteRedirect') throw new Error(`Cannot ${describeOp(op)} alone`);
    const { ifindexOf, qdiscOf } = view.known(op);
    const ifindex = ifindexOf(op.from);
    const ofLink = filtersOf({ ifindex, kind: qdiscOf(ifindex) }, 'ingress');
    const [filters] = await rtnetlink.ask(filtersAt(ofLink, REDIRECT_PREF));
    return change(redirectDeletions(filters, ifindex, op.cookie));
  };

  /** Returns outcomes only for the ops that were reached. */
  const runLevels: Run = async (levels, continueOnError) => {
    const outcomes: Outcome[] = [];
    let script = newScript();

    /** Sends the pending ops; returns whether to continue. */
    const flush = async (): Promise<boolean> => {
      const { ops, parts, outcomesOf } = script;
      script = newScript();
      try {
        if (ops.length > 0) outcomes.push(...outcomesOf(await rtnetlink.run(parts, continueOnError)));
      } catch (error) {
        outcomes.push(...ops.map(() => toError(error)));
      }
      return continueOnError || outcomes.every((outcome) => outcome === 'done');
    };

    const add = async (op: Op): Promise<boolean> => {
      if (isDeviceNodeOp(op)) {
        if (!(await flush())) return false;
        outcomes.push(await runOnDeviceNode(op, deviceDirectory, rtnetlink));
        return flush();
      }
      if (!view.knows(op)) {
        if (!(await flush())) return false; // a pending op may create the link
        await view.findLinks();
      }
      const part = encodeOp(op, view.known(op));
      if (part !== null) {
        script.add(op, part);
        if (part.part === 'createTap') view.addLink(part.tap.ifname, part.tap.ifindex);
        if (op.op === 'addMacvtap') view.addLink(op.macvtap.ifname, op.macvtap.ifindex);
        return true;
      }
      if (!(await flush())) return false;
      const outcome = await runAlone(op);
      outcomes.push(outcome === 'done' ? outcome : toOutcome(op, outcome));
      return flush();
    };

    for (const level of levels) {
      for (const op of level) {
        try {
          if (!(await add(op))) return outcomes;
        } catch (error) {
          await flush();
          outcomes.push(toError(error));
          if (!continueOnError) return outcomes;
        }
        if (op.op === 'addRedirect') view.forgetFilters();
      }
      script.endLevel();
    }
    await flush();
    view.forgetFilters();
    return outcomes;
  };

  const run: Run = async (levels, continueOnError) => {
    const outcomes = await runLevels(levels, continueOnError);
    return levels.flat().map((_, i) => outcomes[i] ?? 'notReached');
  };

  return {
    observe: view.observe,
    async addresses() {
      const [addresses] = await rtnetlink.ask(allAddresses);
      return addresses;
    },
    readPrograms: rtnetlink.readPrograms,
    async readRules(tables) {
      return (await rtnetlink.ask(...tables.map(rulesOf))).flat();
    },
    readSysctls: rtnetlink.readSysctls,
    readLower,
    async readDeviceNode(link) {
      const number = await rtnetlink.readTapDevice(link);
      return { number, node: readDeviceNode(deviceDirectory, link.ifindex) };
    },
    run,
    close: rtnetlink.close,
  };
}

const isDeviceNodeOp = (op: Op): op is DeviceNodeOp =>
  op.op === 'freeDeviceNode' || op.op === 'claimDeviceNode' || op.op === 'deleteDeviceNode';
