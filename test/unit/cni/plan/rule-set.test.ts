import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  digestOf,
  findRules,
  isRuleOf,
  isRuleTable,
  ruleId,
  ruleOwner,
} from '../../../../cni/plan/rule-set.ts';
import { assemble } from '../../../../shared/bpf/assemble.ts';
import { bytesAt, type FrameRule } from '../../../../shared/frame-match.ts';
import type { Filter } from '../../../../shared/rtnetlink/filter.ts';
import { bpfContent, ruleContents } from '../../../../shared/rtnetlink/rule-filter.ts';
import { clsactOf, KEY, OTHER, redirectOf, ruleFiltersOf, tapOf } from '../../../helpers/pod/seen.ts';

const test = suite('findRules()');

/** One frame of each verdict. Their order is not that of their prefs: "ipv6" comes before "arp". */
const RULES: readonly FrameRule[] = [
  { match: { protocol: 'ipv6', keys: bytesAt(6, [58]) }, verdict: 'up' },
  { match: { protocol: 'arp', keys: bytesAt(14, [192, 0, 2, 10]) }, verdict: 'pass' },
  { match: { protocol: 'ip', keys: bytesAt(9, [17]) }, verdict: 'drop' },
  { match: { protocol: 'rarp', keys: [] }, verdict: 'pass' },
  { match: { protocol: 'all', keys: [] }, verdict: 'drop' },
];
const OWNER = ruleOwner(KEY);
const DIGEST = digestOf(ruleContents(RULES));
const FILTERS = ruleFiltersOf(3, RULES, 2);

const rulesAmong = (filters: readonly Filter[], to: number | null = 2) =>
  findRules({ link: tapOf(), qdisc: clsactOf(3), filters, tcx: [], isComplete: true }, OWNER, to);

test('a link without filters has no rules', () => {
  assert.equal(rulesAmong([]), { filters: 0, digest: null });
  assert.equal(rulesAmong([redirectOf(3, 2)]), { filters: 0, digest: null });
});

test('the whole set has its digest, in whichever order the kernel lists prefs', () => {
  const whole = { filters: 5, digest: DIGEST };
  assert.equal(rulesAmong([redirectOf(3, 2), ...FILTERS]), whole);
  assert.equal(rulesAmong(FILTERS.toReversed()), whole);
});

test('a set without one of its filters has no digest', () => {
  for (const missing of FILTERS)
    assert.equal(rulesAmong(FILTERS.filter((one) => one !== missing)), { filters: 4, digest: null });
});

test('a set with a changed filter has no digest', () => {
  for (const [i, filter] of FILTERS.entries()) {
    const { rule } = filter;
    const changed = FILTERS.with(i, { ...filter, rule: rule && { ...rule, content: rule.content + 1 } });
    assert.equal(rulesAmong(changed), { filters: 5, digest: null });
  }
});

test('a set whose filters lead to another link has no digest', () => {
  assert.equal(rulesAmong(FILTERS, 9), { filters: 5, digest: null });
  assert.equal(rulesAmong(FILTERS, null), { filters: 5, digest: null });
});

test('two filters of one pref that changed places have no digest', () => {
  const rules = [5, 6].map((byte): FrameRule => {
    return { match: { protocol: 'arp', keys: bytesAt(24, [byte]) }, verdict: 'drop' };
  });
  const [first, second] = ruleFiltersOf(3, rules, 2) as [Filter, Filter];
  const swapped = [
    { ...first, rule: second.rule },
    { ...second, rule: first.rule },
  ];
  assert.equal(rulesAmong(swapped), { filters: 2, digest: null });
});

test('rules of another attachment do not count', () => {
  assert.is.not(ruleOwner(OTHER), OWNER);
  assert.equal(rulesAmong(ruleFiltersOf(3, RULES, 2, OTHER)), { filters: 0, digest: null });
  assert.equal(rulesAmong([...ruleFiltersOf(3, RULES, 2, OTHER), ...FILTERS]).digest, DIGEST);
});

for (const [why, changes] of [
  ['at the egress', { direction: 'egress' }],
  ['in another chain', { chain: 1 }],
  ['below the prefs of rules', { pref: 65519 }],
  ['above the prefs of rules', { pref: 65528 }],
  ['without a class id', { rule: null }],
] as const) {
  test(`a filter ${why} is not a rule`, () => {
    const [filter] = FILTERS as [Filter];
    assert.ok(isRuleOf(filter, OWNER));
    assert.not.ok(isRuleOf({ ...filter, ...changes }, OWNER));
  });
}

test('a class id names owner and digest, and is never negative', () => {
  assert.is(ruleId(0xffff, 0xfffe), 0xfffffffe);
  assert.is(ruleId(1, 2), 0x10002);
});

test('a digest depends on each content, has 16 bits and is not 0', () => {
  const digests = Array.from({ length: 1000 }, (_, content) => digestOf([{ pref: 65527, content }]));
  assert.ok(digests.every((digest) => digest > 0 && digest <= 0xffff));
  assert.ok(new Set(digests).size > 980, `${new Set(digests).size} different ones`);
  assert.is.not(digestOf([bpfContent(assemble(RULES))]), digestOf([bpfContent(assemble(RULES.slice(1)))]));
});

test('tables of u32 at the prefs of rules are recognised', () => {
  const [filter] = FILTERS as [Filter];
  assert.ok(isRuleTable({ ...filter, handle: 0x80000000 }));
  assert.not.ok(isRuleTable(filter));
  assert.not.ok(isRuleTable({ ...filter, handle: 0x80000000, pref: 65535 }));
});

test.run();
