import { encodeRecord, type Passage, type Restore } from '../../../shared/record.ts';
import { IFF_ALLMULTI, IFF_UP, type Link } from '../../../shared/rtnetlink/link.ts';
import { passesAllMulticast } from '../../../shared/rtnetlink/link-kind.ts';
import { encodeCookie } from '../../plan/cookie.ts';
import { type Level, type Op, type Step, setLink } from '../../plan/op.ts';
import type { Attachment } from './attachment.ts';
import type { End, Ends } from './ends.ts';
import { type GuestFacts, NO_FACTS, passageOf } from './guest-facts.ts';
import { refuseOtherAttachment } from './other-attachments.ts';
import { planPassage } from './plan-passage.ts';
import { requirePodLink } from './pod-link.ts';
import {
  refuseConflicts,
  requireFilters,
  requireMac,
  requireMtu,
  requireNftables,
  requireOurTap,
} from './requirements.ts';
import { type Silence, silenceTable } from './silence.ts';
import { servedBy } from './silence-rules.ts';

/**
 * Decides every change of ADD. Plans only what is missing: a second ADD changes nothing, and an ADD
 * after a crash completes what the first began. Pure.
 *
 * The order is the contract. The pod's own stack is silenced first, so no later change makes it
 * send. The tap carries its record before it outlives this process. The pod link is redirected when
 * the tap is ready, and set up last if it was down. A qdisc's first filter waits for RCU unless
 * something has waited for RCU since the qdisc was created. So both qdiscs come before both
 * filters, and the tap's qdisc before the tap goes up.
 *
 * Rules come before the redirect of the same link, and the floor before the rules, so that no frame
 * that the guest must not send or get is ever redirected or reaches the pod's own stack.
 *
 * @param told marks of the untrue claims in prevResult, for the record
 * @param guest what must be known for the passage that the configuration asks for
 * @throws {BindingError} LINK_MISSING, LINK_UNSUPPORTED, LINK_EXISTS, INVALID_CONFIG; nothing is
 * changed
 */
export function planAdd(
  attachment: Attachment,
  ends: Ends,
  told: readonly string[] = [],
  guest: GuestFacts = NO_FACTS,
): readonly Level[] {
  const { pod, tap, mtu } = requireWirable(attachment, ends);
  const restore = planRestore(pod, tap, ends.silence);
  const { key, podLink, conf } = attachment;
  const passage = passageOf(conf, guest);
  const record = encodeRecord({ key, binding: conf.binding, podLink, mtu, restore, told, passage });
  const cookie = encodeCookie(key, restore);
  const steps = planPassage(attachment, ends, guest, passage, cookie);
  const levels: readonly Level[] = [
    planSilence(attachment, ends.silence, passage),
    steps.sysctls,
    planTap(attachment, tap),
    [
      ...planTapSettings(attachment, tap, mtu, record),
      ...planClsact(attachment.tap, tap),
      ...steps.settings,
      ...planUp(attachment, tap),
      ...steps.addresses,
    ],
    tap === null ? [{ do: { op: 'persistTap', link: attachment.tap }, undo: [] }] : [],
    steps.floor,
    [
      ...planPodClsact(pod, restore),
      ...steps.tapRules,
      ...planRedirect(attachment.tap, tap, podLink, pod, cookie),
      ...planAllmulti(pod),
      ...steps.podRules,
      ...planRedirect(podLink, pod, attachment.tap, tap, cookie),
    ],
    planPodUp(pod),
  ];
  return levels.filter((level) => level.length > 0);
}

/**
 * Requires everything that ADD can verify before it changes or asks anything. Pure.
 *
 * @throws {BindingError} LINK_MISSING, LINK_UNSUPPORTED, LINK_EXISTS, INVALID_CONFIG,
 * KERNEL_UNSUPPORTED
 */
export function requireWirable(attachment: Attachment, ends: Ends) {
  const pod = requirePodLink(attachment, ends);
  refuseOtherAttachment(attachment, ends);
  requireFilters(attachment, ends);
  requireMac(attachment, pod.link);
  requireNftables(attachment, ends);
  const tap = requireOurTap(attachment, ends);
  refuseConflicts(attachment, pod);
  return { pod, tap, mtu: requireMtu(attachment, pod.link) };
}

/**
 * Returns what DEL must undo: the changes that an earlier, unfinished ADD recorded, and the changes
 * of this ADD.
 */
function planRestore({ link, qdisc, redirect }: End, tap: End | null, silence: Silence): Restore {
  const earlier = tap?.record?.restore ?? redirect?.restore;
  return {
    clsact: qdisc === null || (qdisc.kind === 'clsact' && earlier?.clsact === true),
    allmulti: earlier?.allmulti || needsAllmulti(link),
    noQueue: earlier?.noQueue || (link.txqlen === 0 && qdisc === null),
    // The state before the first ADD. If the link went down later, this ADD only repairs that, so
    // DEL must not set it down.
    down: earlier?.down ?? !isUp(link),
    silence: silence.refusal === null,
  };
}

const isUp = ({ flags }: Link): boolean => (flags & IFF_UP) !== 0;

const needsAllmulti = (pod: Link): boolean => !passesAllMulticast(pod) && (pod.flags & IFF_ALLMULTI) === 0;

/**
 * Adds the nftables tables that silence the pod's own stack, and replaces tables that lack a rule.
 * A replacement has no undo, because incomplete tables are not worth restoring.
 */
function planSilence(
  { key, podLink, tap }: Attachment,
  { refusal, hasTables, dropped }: Silence,
  passage: Passage,
): Step[] {
  if (refusal !== null || dropped !== null) return [];
  const table = silenceTable(key);
  return [
    {
      do: { op: 'addSilence', table, podLink, tap, served: servedBy(passage), replaces: hasTables },
      undo: hasTables ? [] : [{ op: 'deleteSilence', table }],
    },
  ];
}

/** Adds the tap. The undo deletes the tap, which also undoes every later change to it. */
function planTap({ tap: link, conf }: Attachment, tap: End | null): Step[] {
  if (tap !== null) return [];
  const { multiQueue, owner, group, selinuxContext } = conf;
  const op = { op: 'addTap', link, multiQueue, owner, group, selinuxContext } as const;
  return [{ do: op, undo: [{ op: 'deleteLink', link }] }];
}

/**
 * Gives the tap its record and its settings. Changes only what differs on the tap of an earlier
 * ADD. If this ADD fails, that tap gets its old alias, MTU and state back.
 */
function planTapSettings({ tap: link }: Attachment, end: End | null, mtu: number, ifalias: string): Step[] {
  if (end === null) {
    return [
      { do: setLink(link, { set: 'alias', ifalias }), undo: [] },
      { do: setLink(link, { set: 'addrgenmode none' }), undo: [] },
      { do: setLink(link, { set: 'mtu', mtu }), undo: [] },
    ];
  }
  const { link: tap } = end;
  const steps: Step[] = [];
  if (tap.ifalias !== null && tap.ifalias !== ifalias) {
    steps.push({
      do: setLink(link, { set: 'alias', ifalias }),
      undo: [setLink(link, { set: 'alias', ifalias: tap.ifalias })],
    });
  }
  if (tap.mtu !== mtu) {
    steps.push({
      do: setLink(link, { set: 'mtu', mtu }),
      undo: [setLink(link, { set: 'mtu', mtu: tap.mtu })],
    });
  }
  if (!isUp(tap)) {
    steps.push({ do: setLink(link, { set: 'addrgenmode none' }), undo: [] });
    steps.push({
      do: setLink(link, { set: 'up', on: true }),
      undo: [setLink(link, { set: 'up', on: false })],
    });
  }
  return steps;
}

/**
 * Sets a new tap up. This comes after its qdisc, because the kernel stops and restarts a link that
 * is up when it adds a qdisc to it.
 */
function planUp({ tap: link }: Attachment, tap: End | null): Step[] {
  if (tap !== null) return [];
  return [{ do: setLink(link, { set: 'up', on: true }), undo: [] }];
}

/**
 * Sets the pod link up if it is down. This is the last step, after the redirect works, so no frame
 * of the network ever reaches the pod's own stack.
 */
function planPodUp({ link }: End): Step[] {
  if (isUp(link)) return [];
  const setUp = (on: boolean) => setLink(link.ifname, { set: 'up', on });
  return [{ do: setUp(true), undo: [setUp(false)] }];
}

function planClsact(link: string, end: End | null, alsoUndo: readonly Op[] = []): Step[] {
  if (end !== null && end.qdisc !== null) return [];
  return [{ do: { op: 'addClsact', link }, undo: [{ op: 'deleteClsact', link }, ...alsoUndo] }];
}

/**
 * Adds a clsact qdisc to the pod link. When a link without a queue gets its first qdisc, the kernel
 * sets its txqueuelen to 1000. This sets it back to 0, also when the qdisc is undone.
 */
function planPodClsact(pod: End, { noQueue }: Restore): Step[] {
  const { ifname, txqlen } = pod.link;
  const setNoQueue = () => setLink(ifname, { set: 'txqueuelen', txqlen: 0 });
  const clsact = planClsact(ifname, pod, noQueue ? [setNoQueue()] : []);
  const isRight = !noQueue || (clsact.length === 0 && txqlen === 0);
  return [...clsact, ...(isRight ? [] : [{ do: setNoQueue(), undo: [] }])];
}

function planAllmulti({ link }: End): Step[] {
  if (!needsAllmulti(link)) return [];
  const setAllmulticast = (on: boolean) => setLink(link.ifname, { set: 'allmulticast', on });
  return [{ do: setAllmulticast(true), undo: [setAllmulticast(false)] }];
}

/**
 * Adds the redirect from one link to the other. Replaces an earlier redirect of this attachment if
 * it leads elsewhere, because its target was deleted and created again.
 */
function planRedirect(
  from: string,
  source: End | null,
  to: string,
  target: End | null,
  cookie: string,
): Step[] {
  const earlier = source?.redirect ?? null;
  if (earlier !== null && earlier.to === target?.link.ifindex) return [];

  const add: Step = {
    do: { op: 'addRedirect', from, to, cookie },
    undo: [{ op: 'deleteRedirect', from, cookie }],
  };
  if (earlier === null) return [add];
  const before = earlier.target?.ifname;
  const undo =
    before === undefined ? [] : [{ op: 'addRedirect', from, to: before, cookie: earlier.cookie } as const];
  return [{ do: { op: 'deleteRedirect', from, cookie: earlier.cookie }, undo }, add];
}
