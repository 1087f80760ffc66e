import { toError } from '../shared/errors.ts';
import { type Address, allAddresses } from '../shared/rtnetlink/address.ts';
import { filtersOf } from '../shared/rtnetlink/filter.ts';
import { linkDeletion } from '../shared/rtnetlink/link-change.ts';
import type { Request } from '../shared/rtnetlink/message.ts';
import { openRtnetlink, type Refusal } from '../shared/rtnetlink/socket.ts';
import type { Failure } from './apply.ts';
import { encodeOp, encodeRedirect } from './encode-op.ts';
import { describeOp, type Op } from './op.ts';
import { type Classifiers, redirectDeletions, THIS_KERNEL } from './redirects.ts';
import { EINVAL, ENOENT, toFailure } from './refusal.ts';
import { openTaps } from './taps.ts';
import { type Netns, viewOf } from './view.ts';

/** One netns: looked at, changed. */
export interface Kernel {
  observe(): Promise<Netns>;
  addresses(): Promise<readonly Address[]>;
  /** Runs all ops in order, with as few waits for the kernel as their kinds allow, and goes on after a failure. */
  run(ops: readonly Op[]): Promise<readonly Failure[]>;
  close(): Promise<void>;
}

/** Opens the netns behind the descriptor, which must stay open as long as taps are added. */
export async function openKernel(netns: number, classifiers: Classifiers = THIS_KERNEL): Promise<Kernel> {
  const rtnetlink = await openRtnetlink(netns);
  const taps = openTaps(netns, rtnetlink.fd);
  const view = viewOf(rtnetlink, classifiers);

  const addRedirect = async (op: Extract<Op, { op: 'addRedirect' }>): Promise<Refusal | null> => {
    let refusal: Refusal | null = null;
    for (const classifier of classifiers.candidates) {
      [refusal = null] = await rtnetlink.change([encodeRedirect(op, classifier, view.known(op))]);
      if (refusal === null) classifiers.candidates = [classifier];
      // No such classifier, or no mirred; a table that another classifier left at our pref.
      if (refusal?.errno !== ENOENT && refusal?.errno !== EINVAL) break;
    }
    return refusal;
  };

  /** Runs an op that is more than requests which can be sent with those of others. */
  const runAlone = async (op: Op): Promise<Refusal | null> => {
    switch (op.op) {
      case 'addTap': {
        const added = await taps.add(op);
        if (typeof added !== 'number') return added;
        view.addLink(op.link, added);
        return null;
      }
      case 'persistTap':
        return taps.persist(op.link);
      case 'deleteLink':
        return rtnetlink.deleteLink(linkDeletion(view.known(op).ifindexOf(op.link)));
      case 'addRedirect':
        return addRedirect(op);
      case 'deleteRedirect': {
        const { ifindexOf, qdiscOf } = view.known(op);
        const ifindex = ifindexOf(op.from);
        const [filters] = await rtnetlink.ask(filtersOf({ ifindex, kind: qdiscOf(ifindex) }, 'ingress'));
        return firstRefusal(await rtnetlink.change(redirectDeletions(filters, ifindex, op.cookie)));
      }
      default:
        throw new Error(`Cannot ${describeOp(op)} alone`);
    }
  };

  const run = async (ops: readonly Op[]): Promise<readonly Failure[]> => {
    const failures: Failure[] = [];
    const batch: { readonly op: Op; readonly requests: readonly Request[] }[] = [];

    const flush = async (): Promise<void> => {
      const sent = batch.splice(0);
      try {
        const refusals = [...(await rtnetlink.change(sent.flatMap(({ requests }) => requests)))];
        for (const { op, requests } of sent) {
          failures.push(toFailure(op, firstRefusal(refusals.splice(0, requests.length))));
        }
      } catch (error) {
        failures.push(...sent.map(() => toError(error)));
      }
    };

    for (const op of ops) {
      try {
        if (!view.knows(op)) {
          await flush(); // it may be what makes the link
          await view.findLinks();
        }
        const requests = encodeOp(op, view.known(op));
        if (requests !== null) batch.push({ op, requests });
        else {
          await flush();
          failures.push(toFailure(op, await runAlone(op)));
        }
      } catch (error) {
        await flush();
        failures.push(toError(error));
      }
      if (op.op === 'addRedirect') view.forgetFilters();
    }
    await flush();
    view.forgetFilters();
    return failures;
  };

  return {
    observe: view.observe,
    async addresses() {
      const [addresses] = await rtnetlink.ask(allAddresses);
      return addresses;
    },
    run,
    async close() {
      await taps.close();
      rtnetlink.close();
    },
  };
}

const firstRefusal = (refusals: readonly (Refusal | null)[]): Refusal | null =>
  refusals.find((refusal) => refusal !== null) ?? null;
