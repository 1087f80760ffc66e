import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { assemble } from '../../../../shared/bpf/assemble.ts';
import { type FrameProtocol, type FrameRule, type Key, sourceMac } from '../../../../shared/frame-match.ts';
import type { Request } from '../../../../shared/netlink/message.ts';
import { decodeFilter, type Filter } from '../../../../shared/rtnetlink/filter.ts';
import {
  BPF_RULE_PREF,
  bpfContent,
  bpfFilterAddition,
  RULE_PREFS,
  type RulePlace,
  ruleContents,
  ruleFilterAdditions,
} from '../../../../shared/rtnetlink/rule-filter.ts';
import { toBytes } from '../../../helpers/pod/filter-bytes.ts';

const test = suite('filters for rules');

const PLACE: RulePlace = { ifindex: 3, qdisc: 'clsact', id: 0xdeadbeef };
const COOKIE = '00112233445566778899aabbccddeeff';
const MAC = sourceMac(Buffer.from('02000000000a', 'hex'));
const DHCP: Key = { at: 20, mask: 0xffffffff, value: 0x00440043 };
const UDP: Key = { at: 8, mask: 0x00ff0000, value: 0x00110000 };

const rule = (
  protocol: FrameProtocol,
  verdict: FrameRule['verdict'],
  ...keys: readonly Key[]
): FrameRule => ({
  match: { protocol, keys },
  verdict,
});
const RULES = [
  rule('ip', 'up', DHCP, UDP),
  rule('arp', 'pass', ...MAC),
  rule('ip', 'pass', ...MAC),
  rule('vlan', 'pass', ...MAC),
  rule('ipv6', 'drop'),
  rule('rarp', 'pass', ...MAC),
  rule('all', 'drop'),
];

const additions = (rules: readonly FrameRule[], place = PLACE) =>
  ruleFilterAdditions(place, rules, 2, COOKIE);
const hexOf = ({ body }: Request): string => toBytes(body).toString('hex');
const read = ({ body }: Request): Filter => decodeFilter({ body: toBytes(body) }, 'clsact', 'ingress');
const placeOf = ({ pref, protocol, handle, rule }: Filter) => ({
  ...{ pref, protocol, handle },
  content: rule?.content,
});

test('a rule for frames that go up becomes a u32 filter without an action', () => {
  const [request] = additions([rule('ip', 'up', DHCP, UDP)]);
  assert.ok(request);
  assert.equal([request.type, request.flags], [44, 0x600]); // RTM_NEWTFILTER; create, exclusive
  assert.is(
    hexOf(request),
    [
      '0000000003000000' + '01000000f2ffffff' + '0800f1ff', // tcmsg: handle 1, pref 65521, IPv4
      '0800010075333200', // TCA_KIND "u32"
      '40000280', // TCA_OPTIONS
      '08000100efbeadde', // TCA_U32_CLASSID
      '34000500' + '01000200000000000000000000000000', // TCA_U32_SEL: terminal, 2 keys
      'ffffffff' + '00440043' + '14000000' + '00000000', // mask, value, offset
      '00ff0000' + '00110000' + '08000000' + '00000000',
    ].join(''),
  );
});

test('a rule for frames that pass becomes a u32 filter that redirects', () => {
  const [request] = additions([rule('all', 'pass', ...MAC)]);
  assert.ok(request);
  assert.is(
    hexOf(request),
    [
      '0000000003000000' + '01000000f2ffffff' + '0003f7ff', // tcmsg: handle 1, pref 65527, ETH_P_ALL
      '0800010075333200', // TCA_KIND "u32"
      '8c000280', // TCA_OPTIONS
      '08000100efbeadde', // TCA_U32_CLASSID
      '34000500' + '01000200000000000000000000000000', // TCA_U32_SEL: terminal, 2 keys
      'ffffffff' + '02000000' + 'f8ffffff' + '00000000', // mask, value, offset -8
      'ffff0000' + '000a0000' + 'fcffffff' + '00000000',
      '4c000780' + '48000180', // TCA_U32_ACT, first action
      '0b0001006d69727265640000', // TCA_ACT_KIND "mirred"
      '1400060000112233445566778899aabbccddeeff', // TCA_ACT_COOKIE
      '24000280' + '20000200' + '000000000000000004000000000000000000000001000000' + '02000000',
    ].join(''),
  );
});

test('a rule without keys compares no bit of the source MAC, which every frame has', () =>
  assert.ok(
    hexOf(additions([rule('all', 'drop')])[0] as Request).endsWith(
      `24000500${'01000100000000000000000000000000'}0000000000000000f8ffffff00000000`,
    ),
  ));

test('each protocol has its own pref, and handles in the order of its rules; VLANs have no filter', () =>
  assert.equal(
    additions(RULES)
      .map(read)
      .map(({ pref, protocol, handle, redirect }) => [...[pref, protocol, handle], redirect]),
    [
      [RULE_PREFS.ip, 0x0800, 1, null],
      [RULE_PREFS.arp, 0x0806, 1, { to: 2, cookie: COOKIE }],
      [RULE_PREFS.ip, 0x0800, 2, { to: 2, cookie: COOKIE }],
      [RULE_PREFS.ipv6, 0x86dd, 1, null],
      [RULE_PREFS.rarp, 0x8035, 1, { to: 2, cookie: COOKIE }],
      [RULE_PREFS.all, 0x0003, 1, null],
    ],
  ));

test('the kernel tries filters for all protocols last, after the bpf filter and before the redirect', () => {
  const prefs = [BPF_RULE_PREF, ...Object.values(RULE_PREFS)];
  assert.equal(prefs, [65520, 65521, 65522, 65523, 65524, 65527]);
});

test('the older ingress qdisc gets filters as well', () =>
  assert.is(additions(RULES, { ...PLACE, qdisc: 'ingress' })[0]?.body[3], 0xffff0000));

test('decodeFilter() reads the id and the content of each u32 filter', () => {
  const filters = additions(RULES).map(read);
  assert.equal(new Set(filters.map(({ rule }) => rule?.id)), new Set([PLACE.id]));
  assert.equal(filters.map(placeOf), ruleContents(RULES));
});

test('decodeFilter() reads the id and the content of the bpf filter', () => {
  const program = assemble(RULES);
  const filter = read(bpfFilterAddition(PLACE, program));
  assert.equal([filter.kind, filter.rule?.id, filter.redirect], ['bpf', PLACE.id, null]);
  assert.equal(placeOf(filter), bpfContent(program));
});

test('a program becomes a bpf filter in direct-action mode', () => {
  const request = bpfFilterAddition(PLACE, Buffer.from('060000000000000006000000ffffffff', 'hex'));
  assert.equal([request.type, request.flags], [44, 0x600]);
  assert.is(
    hexOf(request),
    [
      '0000000003000000' + '01000000f2ffffff' + '0003f0ff', // tcmsg: handle 1, pref 65520, ETH_P_ALL
      '0800010062706600', // TCA_KIND "bpf"
      '30000280', // TCA_OPTIONS
      '08000300efbeadde', // TCA_BPF_CLASSID
      '0600040002000000', // TCA_BPF_OPS_LEN
      '14000500' + '0600000000000000' + '06000000ffffffff', // TCA_BPF_OPS
      '0800080001000000', // TCA_BPF_FLAGS: direct action
    ].join(''),
  );
});

test('rules differ in content by their keys and by what happens to the frames', () => {
  const contents = ruleContents([
    rule('ip', 'up'),
    rule('ip', 'pass'),
    rule('ip', 'up', UDP),
    rule('ip', 'up', DHCP, UDP),
    rule('ip', 'up', UDP, DHCP),
    rule('ip', 'up', { ...UDP, at: 12 }),
    rule('ip', 'up', { ...UDP, mask: 0xffffffff }),
  ]);
  assert.is(new Set(contents.map(({ content }) => content)).size, contents.length);
});

test('a rule after one for frames of all protocols is rejected, because it would come first', () => {
  assert.throws(
    () => additions([rule('all', 'drop'), rule('ip', 'up')]),
    (error: unknown) => error instanceof TypeError,
  );
  assert.is(additions([rule('all', 'pass', ...MAC), rule('all', 'drop')]).length, 2);
});

test('more rules of a protocol than a hash table of the kernel can hold are rejected', () => {
  const rules = Array.from({ length: 4095 }, () => rule('ip', 'drop'));
  assert.is(additions(rules).length, 4095);
  assert.throws(() => additions([...rules, ...rules.slice(0, 1)]), /Want at most 4095 rules of a protocol/);
});

test.run();
