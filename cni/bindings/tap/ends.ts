/**
 * The two ends of an attachment: everything that the planners, CHECK and inspect need to know about
 * them.
 */

import { type AttachmentKey, OPEN_PASSAGE, type Passage, type TapRecord } from '../../../shared/record.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import type { IngressQdisc } from '../../../shared/rtnetlink/qdisc.ts';
import { cookieHash } from '../../plan/cookie.ts';
import { findOurFilter, isOurs, type OurFilter, tapRecordOf } from '../../plan/ours.ts';
import { findRules, type RuleSet, ruleOwner } from '../../plan/rule-set.ts';
import { findGap, type IndexedNetns, ingressFilters, type SeenLink } from '../../plan/seen.ts';
import type { Attachment } from './attachment.ts';
import { type Conflict, findConflicts } from './conflicts.ts';
import { type Floor, findFloor } from './floor.ts';
import { findSilence, ownTables, type Silence, silenceTable } from './silence.ts';
import { servedBy } from './silence-rules.ts';

/** A link that is one end of an attachment. */
export interface End {
  readonly link: Link;
  /** Null: the link has no qdisc that takes ingress filters. */
  readonly qdisc: IngressQdisc | null;
  /** This attachment's filter at the ingress of the link; null: there is none. */
  readonly redirect: EndRedirect | null;
  /**
   * Filters and programs of others that may keep frames from our filter, in the order in which a
   * frame meets them.
   */
  readonly conflicts: readonly Conflict[];
  /**
   * This attachment's record on the link. Null: the link has no record, or that of another
   * attachment.
   */
  readonly record: TapRecord | null;
  /**
   * The links to which filters at the ingress redirect frames; includes filters of other programs.
   */
  readonly targets: readonly Link[];
  /** This attachment's rules before the redirect. */
  readonly rules: RuleSet;
}

export interface EndRedirect extends OurFilter {
  /** The link that receives the frames; null: it no longer exists. */
  readonly target: Link | null;
}

/** What was seen of one attachment. */
export interface Ends {
  /** Null: the pod link does not exist. */
  readonly pod: End | null;
  readonly tap: End | null;
  /** Names of other links that have a redirect of this attachment. */
  readonly strays: readonly string[];
  /** Describes what could not be read about the ends; null: everything was read. */
  readonly gap: string | null;
  /** As far as the passage needs it. */
  readonly silence: Silence;
  readonly floor: Floor;
  /** Every link of the netns, for messages. */
  readonly links: readonly Link[];
}

/** What identifies an attachment in a netns. */
export type AttachmentNames = Pick<Attachment, 'key' | 'podLink' | 'tap'>;

/**
 * Finds both ends of an attachment. Linear in the filters, programs and rules at the ends. Pure.
 *
 * @param seen must include the programs at the ends (`programsAt`) and the rules of the
 * attachment's tables (`ownTables`)
 * @param wanted the passage whose tables are looked for; if absent, that of the tap's record
 */
export function endsOf({ key, podLink, tap }: AttachmentNames, seen: IndexedNetns, wanted?: Passage): Ends {
  const { nftables, byIfname } = seen;
  const [podSeen, tapSeen] = [byIfname.get(podLink), byIfname.get(tap)];
  const recorded = tapSeen && tapRecordOf(tapSeen.link, key)?.passage;
  const passage = wanted ?? recorded ?? OPEN_PASSAGE;
  const table = silenceTable(key);
  return {
    pod: podSeen === undefined ? null : endAt(podSeen, key, seen, null),
    tap: tapSeen === undefined ? null : endAt(tapSeen, key, seen, podSeen?.link.ifindex ?? null),
    strays: straysOf(key, seen, [podSeen, tapSeen]),
    gap: findGap([podLink, tap], seen),
    silence: {
      refusal: nftables.refusal,
      hasTables: ownTables(key, nftables).some(({ family }) => family !== 'netdev'),
      dropped: findSilence(table, [podLink, tap], nftables, servedBy(passage)),
    },
    floor: findFloor(table, passage.serves, nftables),
    links: seen.links,
  };
}

/** @param other ifindex of the other end, if its rules redirect to it */
function endAt(one: SeenLink, key: AttachmentKey, seen: IndexedNetns, other: number | null): End {
  const redirect = findOurFilter(one, key);
  return {
    link: one.link,
    qdisc: one.qdisc,
    redirect: redirect && { ...redirect, target: seen.byIfindex.get(redirect.to)?.link ?? null },
    conflicts: findConflicts(one, key, redirect !== null, seen),
    record: tapRecordOf(one.link, key),
    targets: ingressFilters(one).flatMap(
      ({ redirect }) => (redirect && seen.byIfindex.get(redirect.to)?.link) ?? [],
    ),
    rules: findRules(one, ruleOwner(key), other),
  };
}

function straysOf(
  key: AttachmentKey,
  { byIfindex, byCookie }: IndexedNetns,
  ends: readonly (SeenLink | undefined)[],
): readonly string[] {
  const ours = (byCookie.get(cookieHash(key)) ?? []).filter((filter) => isOurs(filter, key));
  const strays = new Set(ours.map(({ ifindex }) => byIfindex.get(ifindex)));
  return [...strays].flatMap((one) => (one === undefined || ends.includes(one) ? [] : one.link.ifname));
}
