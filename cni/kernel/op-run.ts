import { toError } from '../../shared/errors.ts';
import type { Request } from '../../shared/netlink/message.ts';
import type { Rtnetlink } from '../../shared/netns/netns.ts';
import type { Part, RequestOutcome } from '../../shared/netns/part.ts';
import { filtersOf } from '../../shared/rtnetlink/filter.ts';
import { filtersAt } from '../../shared/rtnetlink/filters-at.ts';
import { describeOp, type Op, type Outcome, REDIRECT_PREF } from '../plan/op.ts';
import { runOnDeviceNode } from './device-node.ts';
import { type DeviceNodeOp, encodeOp, encodeRedirect } from './encode-op.ts';
import { type Classifiers, redirectDeletions } from './redirects.ts';
import { EINVAL, ENOENT, toOutcome } from './refusal.ts';
import { ALL_RULE_PREFS, encodeRules, ruleDeletions } from './rules.ts';
import { newScript } from './script.ts';
import type { View } from './view.ts';

/** Where ops run. */
export interface Place {
  readonly rtnetlink: Rtnetlink;
  readonly view: View;
  readonly classifiers: Classifiers;
  readonly deviceDirectory: string;
}

/**
 * One run of ops. Collects them in a script, and sends the script when an op needs the outcome of
 * the earlier ones, and at the end.
 */
export class OpRun {
  readonly #place: Place;
  readonly #continueOnError: boolean;
  /** Outcomes of the ops that were sent, in their order. */
  readonly #outcomes: Outcome[] = [];
  /** The ops that are pending. */
  #script = newScript();

  /** @param continueOnError whether ops run after one that failed */
  constructor(place: Place, continueOnError: boolean) {
    this.#place = place;
    this.#continueOnError = continueOnError;
  }

  /** Returns outcomes only for the ops that were reached. */
  async run(levels: readonly (readonly Op[])[]): Promise<readonly Outcome[]> {
    const { view } = this.#place;
    for (const level of levels) {
      for (const op of level) {
        if (!(await this.#runOrFail(op))) return this.#outcomes;
        if (op.op === 'addRedirect' || op.op === 'addRules') view.forgetFilters();
      }
      this.#script.endLevel();
    }
    await this.#flush();
    view.forgetFilters();
    return this.#outcomes;
  }

  /** Turns an exception into the outcome of the op. Returns whether to continue. */
  async #runOrFail(op: Op): Promise<boolean> {
    try {
      return await this.#runOp(op);
    } catch (error) {
      await this.#flush();
      this.#outcomes.push(toError(error));
      return this.#continueOnError;
    }
  }

  /** Runs an op, or adds it to the script. Returns whether to continue. */
  async #runOp(op: Op): Promise<boolean> {
    const { rtnetlink, view, deviceDirectory } = this.#place;
    if (isDeviceNodeOp(op)) {
      if (!(await this.#flush())) return false;
      this.#outcomes.push(await runOnDeviceNode(op, deviceDirectory, rtnetlink));
      return this.#mayContinue();
    }
    if (!view.knows(op)) {
      if (!(await this.#flush())) return false; // a pending op may create the link
      await view.findLinks();
    }
    const part = encodeOp(op, view.known(op));
    if (part !== null) {
      this.#add(op, part);
      return true;
    }
    if (!(await this.#flush())) return false;
    const outcome = await this.#runAlone(op);
    this.#outcomes.push(outcome === 'done' ? outcome : toOutcome(op, outcome));
    return this.#mayContinue();
  }

  #add(op: Op, part: Part): void {
    const { view } = this.#place;
    this.#script.add(op, part);
    if (part.part === 'createTap') view.addLink(part.tap.ifname, part.tap.ifindex);
    if (op.op === 'addMacvtap') view.addLink(op.macvtap.ifname, op.macvtap.ifindex);
  }

  /** Sends the pending ops. Returns whether to continue. */
  async #flush(): Promise<boolean> {
    const { ops, parts, outcomesOf } = this.#script;
    this.#script = newScript();
    try {
      if (ops.length > 0) {
        const outcomes = await this.#place.rtnetlink.run(parts, this.#continueOnError);
        this.#outcomes.push(...outcomesOf(outcomes));
      }
    } catch (error) {
      this.#outcomes.push(...ops.map(() => toError(error)));
    }
    return this.#mayContinue();
  }

  #mayContinue(): boolean {
    return this.#continueOnError || this.#outcomes.every((outcome) => outcome === 'done');
  }

  /** Runs an op that `encodeOp` cannot encode, because the op depends on a reply of the kernel. */
  async #runAlone(op: Op): Promise<RequestOutcome> {
    const { rtnetlink, view } = this.#place;
    if (op.op === 'addRedirect') return this.#addRedirect(op);
    if (op.op === 'addRules') return this.#addGuard(op);
    if (op.op !== 'deleteRedirect' && op.op !== 'deleteRules')
      throw new Error(`Cannot ${describeOp(op)} alone`);
    const { ifindexOf, qdiscOf } = view.known(op);
    const ifindex = ifindexOf(op.op === 'deleteRules' ? op.link : op.from);
    const ofLink = filtersOf({ ifindex, kind: qdiscOf(ifindex) }, 'ingress');
    const prefs = op.op === 'deleteRules' ? ALL_RULE_PREFS : [REDIRECT_PREF];
    const filters = (await rtnetlink.ask(...prefs.map((pref) => filtersAt(ofLink, pref)))).flat();
    return this.#change(
      op.op === 'deleteRules'
        ? ruleDeletions(filters, op.owner)
        : redirectDeletions(filters, ifindex, op.cookie),
    );
  }

  /** Tries the forms of a guard that the kernel may have. */
  async #addGuard(op: Extract<Op, { op: 'addRules' }>): Promise<RequestOutcome> {
    const { classifiers, view } = this.#place;
    let outcome: RequestOutcome = 'done';
    for (const form of classifiers.guardForms) {
      outcome = await this.#change(encodeRules(op, form, view.known(op)));
      if (outcome === 'done') {
        classifiers.guardForms = [form];
        break;
      }
      if (outcome.errno !== ENOENT) break; // not because the kernel lacks cls_bpf
    }
    return outcome;
  }

  /** Tries the classifiers that the kernel may have. */
  async #addRedirect(op: Extract<Op, { op: 'addRedirect' }>): Promise<RequestOutcome> {
    const { classifiers, view } = this.#place;
    let outcome: RequestOutcome = 'done';
    for (const classifier of classifiers.candidates) {
      outcome = await this.#change([encodeRedirect(op, classifier, view.known(op))]);
      if (outcome === 'done') {
        classifiers.candidates = [classifier];
        break;
      }
      // Try the next classifier if this kernel lacks this one or mirred, or if another classifier
      // left its table at our pref.
      if (outcome.errno !== ENOENT && outcome.errno !== EINVAL) break;
    }
    return outcome;
  }

  async #change(requests: readonly Request[]): Promise<RequestOutcome> {
    const part: Part = { part: 'change', requests };
    const [outcomes = 'notReached'] = await this.#place.rtnetlink.run([part], true);
    if (outcomes === 'notReached') throw new Error('Cannot change the netns: no request was sent');
    return outcomes.find((outcome) => outcome !== 'done') ?? 'done';
  }
}

const isDeviceNodeOp = (op: Op): op is DeviceNodeOp =>
  op.op === 'freeDeviceNode' || op.op === 'claimDeviceNode' || op.op === 'deleteDeviceNode';
