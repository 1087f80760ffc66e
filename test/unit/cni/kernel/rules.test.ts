import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ALL_RULE_PREFS, encodeRules, ruleDeletions } from '../../../../cni/kernel/rules.ts';
import type { Op } from '../../../../cni/plan/op.ts';
import { digestOf, ruleId, ruleOwner } from '../../../../cni/plan/rule-set.ts';
import { assemble } from '../../../../shared/bpf/assemble.ts';
import { bytesAt, type FrameRule } from '../../../../shared/frame-match.ts';
import { type Filter, filterDeletion } from '../../../../shared/rtnetlink/filter.ts';
import {
  bpfContent,
  bpfFilterAddition,
  ruleContents,
  ruleFilterAdditions,
} from '../../../../shared/rtnetlink/rule-filter.ts';
import { KEY, OTHER, redirectOf, ruleFiltersOf } from '../../../helpers/pod/seen.ts';

const test = suite('rules as filters');

const RULES: readonly FrameRule[] = [
  { match: { protocol: 'ip', keys: bytesAt(9, [17]) }, verdict: 'up' },
  { match: { protocol: 'arp', keys: bytesAt(14, [192, 0, 2, 10]) }, verdict: 'pass' },
  { match: { protocol: 'arp', keys: bytesAt(14, [192, 0, 2, 11]) }, verdict: 'pass' },
  { match: { protocol: 'all', keys: [] }, verdict: 'drop' },
];
const OWNER = ruleOwner(KEY);
const COOKIE = redirectOf(3, 2).redirect?.cookie ?? '';
const OP: Extract<Op, { op: 'addRules' }> = {
  ...{ op: 'addRules', link: 'tap0', to: 'eth0', cookie: COOKIE, rules: RULES, isGuard: true, owner: OWNER },
};
const KNOWN = {
  ifindexOf: (link: string) => (link === 'tap0' ? 3 : 2),
  qdiscOf: (ifindex: number) => (ifindex === 3 ? 'clsact' : 'ingress') as 'clsact' | 'ingress',
};

test('u32 filters carry the owner and the digest of all of them', () => {
  const place = { ifindex: 3, qdisc: 'clsact', id: ruleId(OWNER, digestOf(ruleContents(RULES))) } as const;
  assert.equal(encodeRules(OP, 'filters', KNOWN), ruleFilterAdditions(place, RULES, 2, COOKIE));
});

test('a program is one filter, which carries the owner and its digest', () => {
  const program = assemble(RULES);
  const place = { ifindex: 3, qdisc: 'clsact', id: ruleId(OWNER, digestOf([bpfContent(program)])) } as const;
  assert.equal(encodeRules(OP, 'program', KNOWN), [bpfFilterAddition(place, program)]);
});

test('the prefs of all forms come before the redirect, and the program first', () => {
  assert.equal(ALL_RULE_PREFS, [65520, 65521, 65522, 65523, 65524, 65527]);
});

const OURS = ruleFiltersOf(3, RULES, 2);
const [ip, arp, secondArp, all] = OURS as [Filter, Filter, Filter, Filter];
const whole = (filter: Filter) => filterDeletion({ ...filter, handle: 0 });

test('rules that are alone at their prefs are deleted with their hash tables, each pref once', () => {
  const table = { ...ip, handle: 0x80000000, rule: null };
  assert.equal(ruleDeletions([redirectOf(3, 2), table, ...OURS], OWNER), [whole(ip), whole(arp), whole(all)]);
});

test('next to a filter of another program, only our own are deleted', () => {
  const other = { ...arp, handle: 0x80000800, rule: null };
  assert.equal(ruleDeletions([...OURS, other], OWNER), [
    whole(ip),
    filterDeletion(arp),
    filterDeletion(secondArp),
    whole(all),
  ]);
});

test('filters of another program at other sides and chains do not matter', () => {
  const others = [{ direction: 'egress' }, { chain: 1 }] as const;
  const filters = others.map((changes) => ({ ...arp, rule: null, ...changes }));
  assert.equal(ruleDeletions([...OURS, ...filters], OWNER), [whole(ip), whole(arp), whole(all)]);
});

test('rules of another attachment stay', () => {
  const others = ruleFiltersOf(3, RULES, 2, OTHER);
  assert.equal(ruleDeletions(others, OWNER), []);
  assert.equal(ruleDeletions([...others, ip], OWNER), [filterDeletion(ip)]);
});

test.run();
