import { assemble } from '../../shared/bpf/assemble.ts';
import type { Request } from '../../shared/netlink/message.ts';
import { type Filter, filterDeletion, isHashTable } from '../../shared/rtnetlink/filter.ts';
import type { IngressKind } from '../../shared/rtnetlink/qdisc.ts';
import {
  BPF_RULE_PREF,
  bpfContent,
  bpfFilterAddition,
  RULE_PREFS,
  ruleContents,
  ruleFilterAdditions,
} from '../../shared/rtnetlink/rule-filter.ts';
import type { Op } from '../plan/op.ts';
import { digestOf, isRuleOf, ruleId } from '../plan/rule-set.ts';

/** How rules get into the kernel: as one classic BPF program, or as one u32 filter each. */
export const RULE_FORMS = ['program', 'filters'] as const;
export type RuleForm = (typeof RULE_FORMS)[number];

/** The prefs of all forms, lowest first. */
export const ALL_RULE_PREFS: readonly number[] = [BPF_RULE_PREF, ...Object.values(RULE_PREFS)];

/** What must be known of the links. */
interface Links {
  /** @throws {BindingError} LINK_MISSING */
  ifindexOf(link: string): number;
  qdiscOf(ifindex: number): IngressKind;
}

/** Encodes the additions of an attachment's rules in this form. Pure. */
export function encodeRules(
  { link, to, cookie, rules, owner }: Extract<Op, { op: 'addRules' }>,
  form: RuleForm,
  { ifindexOf, qdiscOf }: Links,
): readonly Request[] {
  const ifindex = ifindexOf(link);
  const place = { ifindex, qdisc: qdiscOf(ifindex) };
  if (form === 'filters') {
    const id = ruleId(owner, digestOf(ruleContents(rules)));
    return ruleFilterAdditions({ ...place, id }, rules, ifindexOf(to), cookie);
  }
  const program = assemble(rules);
  return [bpfFilterAddition({ ...place, id: ruleId(owner, digestOf([bpfContent(program)])) }, program)];
}

/**
 * Encodes the deletion of an owner's rules on a link. Deletes a whole pref if nobody else has a
 * filter there: otherwise u32 would keep an empty hash table. Pure.
 */
export function ruleDeletions(filters: readonly Filter[], owner: number): readonly Request[] {
  const own = filters.filter((filter) => isRuleOf(filter, owner));
  return [...Map.groupBy(own, ({ pref }) => pref)].flatMap(([pref, ours]) => {
    const isAlone = filters.every(
      (filter) =>
        filter.pref !== pref ||
        filter.direction !== 'ingress' ||
        filter.chain !== 0 ||
        isHashTable(filter) ||
        isRuleOf(filter, owner),
    );
    return isAlone
      ? ours.slice(0, 1).map((filter) => filterDeletion({ ...filter, handle: 0 }))
      : ours.map(filterDeletion);
  });
}
