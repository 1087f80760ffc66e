/**
 * Steps of ADD for what may pass between guest, pod and network. Each list belongs to one place in
 * the order of ADD.
 */
import { assemble } from '../../../shared/bpf/assemble.ts';
import type { FrameRule } from '../../../shared/frame-match.ts';
import { SERVER_IPV4, SERVER_IPV6 } from '../../../shared/guest-services.ts';
import type { Passage } from '../../../shared/record.ts';
import type { NewAddress } from '../../../shared/rtnetlink/address.ts';
import { bpfContent, ruleContents } from '../../../shared/rtnetlink/rule-filter.ts';
import { type Op, type Step, setLink } from '../../plan/op.ts';
import { digestOf, type RuleSet, ruleOwner } from '../../plan/rule-set.ts';
import { widenSteps } from '../widen.ts';
import type { Attachment } from './attachment.ts';
import type { End, Ends } from './ends.ts';
import { type GuestFacts, pingGroups } from './guest-facts.ts';
import { DHCPV4, ISOLATION_RULES, SERVICE_RULES } from './service-rules.ts';
import { silenceTable } from './silence.ts';
import { guardRules } from './spoof-guard.ts';

export interface PassageSteps {
  /** Sysctls of the pod. */
  readonly sysctls: readonly Step[];
  /** Settings of the tap before it goes up. */
  readonly settings: readonly Step[];
  /** Addresses of the tap after it went up. */
  readonly addresses: readonly Step[];
  readonly floor: readonly Step[];
  /** Filters before the redirect of the tap. */
  readonly tapRules: readonly Step[];
  /** Filters before the redirect of the pod link. */
  readonly podRules: readonly Step[];
}

/** Addresses of the servers. A host scope of IPv4 would not do: the guest is on the link. */
const IPV4: NewAddress = {
  family: 'inet',
  local: SERVER_IPV4,
  prefixLength: 32,
  scope: 'link',
  nodad: false,
};
const IPV6: NewAddress = {
  family: 'inet6',
  local: SERVER_IPV6,
  prefixLength: 64,
  scope: 'link',
  nodad: true,
};

/** @param cookie of the redirects */
export function planPassage(
  attachment: Attachment,
  ends: Ends,
  guest: GuestFacts,
  passage: Passage,
  cookie: string,
): PassageSteps {
  const { podLink, tap } = attachment;
  const mac = ends.pod?.link.mac ?? '';
  const ofTap = [...(passage.serves ? SERVICE_RULES : []), ...guardRules(passage.guard, mac, guest)];
  const ofPod = passage.serves ? ISOLATION_RULES : [];
  const isGuard = passage.guard !== 'off';
  const rules = (link: string, to: string, end: End | null, wanted: readonly FrameRule[], guards: boolean) =>
    planRules(
      { op: 'addRules', link, to, cookie, rules: wanted, isGuard: guards, owner: ruleOwner(attachment.key) },
      end?.rules,
    );
  return {
    sysctls: passage.serves
      ? widenSteps({ firstPort: DHCPV4.server, groups: pingGroups(attachment.conf, guest) }, guest.sysctls)
      : [],
    settings: passage.serves ? planSettings(tap, ends.tap, passage, guest) : [],
    addresses: passage.serves ? planAddresses(tap, ends.tap, passage, guest) : [],
    floor: planFloor(attachment, ends, passage, ofTap.length > 0),
    tapRules: rules(tap, podLink, ends.tap, ofTap, isGuard),
    podRules: rules(podLink, tap, ends.pod, ofPod, false),
  };
}

/** The guest's unicasts come from the pod's own address, which the kernel rejects otherwise. */
function planSettings(
  link: string,
  tap: End | null,
  { ipv6 }: Passage,
  { ofTap }: GuestFacts,
): readonly Step[] {
  if (tap !== null && ofTap.includes(SERVER_IPV4)) return [];
  return [
    { do: setLink(link, { set: 'accept_local' }), undo: [] },
    ...(ipv6 ? [{ do: { op: 'enableIpv6', link } as const, undo: [] }] : []),
  ];
}

function planAddresses(
  link: string,
  tap: End | null,
  { ipv6 }: Passage,
  { ofTap, router }: GuestFacts,
): readonly Step[] {
  const wanted = [IPV4, ...(ipv6 ? [IPV6] : [])].filter(({ local }) => !ofTap.includes(local));
  const steps: Step[] = wanted.map((address) => ({
    do: { op: 'addAddress', link, address },
    undo: tap === null ? [] : [{ op: 'deleteAddress', link, address }],
  }));
  if (router === null || router.mac === null || router.isTold) return steps;
  const { address, mac } = router;
  return [...steps, { do: { op: 'addNeighbour', link, address, mac }, undo: [] }];
}

/**
 * Adds the floor, or replaces one that lacks a rule, which is not worth restoring. Leaves one that
 * is no longer wanted to DEL: it does no harm, and no frame gets past it while rules are deleted.
 */
function planFloor(
  { key, podLink, tap }: Attachment,
  { floor }: Ends,
  { serves }: Passage,
  isWanted: boolean,
): readonly Step[] {
  const table = silenceTable(key);
  const deletion: Op = { op: 'deleteFloor', table };
  if (!isWanted || floor.counts !== null) return [];
  return [
    {
      do: { op: 'addFloor', table, podLink, tap, serves, replaces: floor.hasTable },
      undo: floor.hasTable ? [] : [deletion],
    },
  ];
}

/** Adds the rules, or replaces others of this attachment, which are not worth restoring. */
function planRules(addition: Extract<Op, { op: 'addRules' }>, seen: RuleSet | undefined): readonly Step[] {
  const { link, owner, rules } = addition;
  if (seen !== undefined && isWanted(seen, rules)) return [];
  const deletion: Op = { op: 'deleteRules', link, owner };
  return [
    ...(seen === undefined || seen.filters === 0 ? [] : [{ do: deletion, undo: [] }]),
    ...(rules.length === 0 ? [] : [{ do: addition, undo: [deletion] }]),
  ];
}

/** Whether these are the filters of the rules, in whichever form the kernel has. */
function isWanted({ filters, digest }: RuleSet, rules: readonly FrameRule[]): boolean {
  if (rules.length === 0) return filters === 0;
  if (digest === null) return false;
  return digest === digestOf(ruleContents(rules)) || digest === digestOf([bpfContent(assemble(rules))]);
}
