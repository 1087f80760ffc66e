/**
 * Finds filters and programs that run before our filter at the ingress of a link and may take its
 * frames.
 */
import type { Program } from '../../../shared/bpf/program.ts';
import {
  type Ends,
  endsDirectAction,
  endsTcx,
  endsXdp,
  isMatch,
  type Verdict,
  verdictOf,
} from '../../../shared/bpf/verdict.ts';
import type { AttachmentKey } from '../../../shared/record.ts';
import { type Filter, isHashTable } from '../../../shared/rtnetlink/filter.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import { ETH_P_ALL, verdictFor } from '../../../shared/rtnetlink/match.ts';
import { REDIRECT_PREF } from '../../plan/op.ts';
import { isOurs } from '../../plan/ours.ts';
import { type IndexedNetns, ingressFilters, type SeenLink } from '../../plan/seen.ts';

/** A filter or program that is not harmless. */
export interface Conflict {
  /** A description: `a u32 filter at pref 10 for IPv4 frames`, `the TCX program 12 "count"`. */
  readonly what: string;
  readonly verdict: Exclude<Verdict, 'harmless'>;
  /** The link that it redirects frames to, in words; null if it does something else with them. */
  readonly to: string | null;
  /** Priority of a filter; null for a program. */
  readonly pref: number | null;
  /** The command that removes it in the pod's netns. */
  readonly removal: string;
}

/**
 * Finds the conflicts at one link, in the order in which a frame meets them. Linear in its filters
 * and programs. Pure.
 *
 * @param isRedirected whether our filter is on the link
 */
export function findConflicts(
  one: SeenLink,
  key: AttachmentKey,
  isRedirected: boolean,
  seen: IndexedNetns,
): readonly Conflict[] {
  const { link, tcx } = one;
  const filters = ingressFilters(one)
    .filter((filter) => !isHashTable(filter) && !isOurs(filter, key))
    // At our pref, ours runs first. If ours is missing, a filter there takes its place.
    .filter((filter) => filter.pref < REDIRECT_PREF || !isRedirected)
    .sort((filter, other) => filter.pref - other.pref);
  const found = [
    ...(link.xdp === null ? [] : [judgeXdp(link, link.xdp, seen)]),
    ...tcx.map((program) => judgeTcx(link, program, seen)),
    ...filters.map((filter) => judge(link, filter, seen)),
  ];
  return found.filter((conflict): conflict is Conflict => conflict.verdict !== 'harmless');
}

/** Lists the ids of the programs that findConflicts() needs for these links. Linear. Pure. */
export function programsAt(ifnames: readonly string[], { byIfname }: IndexedNetns): readonly number[] {
  const links = ifnames.flatMap((ifname) => byIfname.get(ifname) ?? []);
  const ids = [
    ...links.map(({ link }) => link.xdp),
    ...links.flatMap(({ tcx }) => tcx),
    ...links.flatMap(({ filters }) => filters.map(({ program }) => program?.id ?? null)),
  ].filter((id) => id !== null);
  return [...new Set(ids)].slice(0, MAX_PROGRAMS);
}

/** Maximum number of programs to read, at 10 us each; links have fewer in practice. */
const MAX_PROGRAMS = 64;

type Judged = Omit<Conflict, 'verdict'> & { readonly verdict: Verdict };

function judgeXdp({ ifname }: Link, id: number, seen: IndexedNetns): Judged {
  const program = programOf(id, seen);
  return {
    what: `the XDP program ${nameOf(id, program)}`,
    verdict: verdictOf(program?.returns ?? null, endsXdp),
    to: null,
    pref: null,
    removal: `ip link set ${ifname} xdp off`,
  };
}

function judgeTcx({ ifname }: Link, id: number, seen: IndexedNetns): Judged {
  const program = programOf(id, seen);
  return {
    what: `the TCX program ${nameOf(id, program)}`,
    verdict: verdictOf(program?.returns ?? null, endsTcx),
    to: null,
    pref: null,
    removal: `bpftool net detach tcx_ingress dev ${ifname}`,
  };
}

const RETURNS: Readonly<Record<'action' | 'match', Ends>> = { action: endsDirectAction, match: isMatch };

function judge({ ifname }: Link, filter: Filter, seen: IndexedNetns): Judged {
  const { kind, pref, protocol, redirect, program } = filter;
  const known = program === null ? undefined : programOf(program.id, seen);
  const byProgram = program === null ? '' : ` with program ${nameOf(program.id, known)}`;
  const verdict = (): Verdict => {
    if (pref === REDIRECT_PREF) return 'deadly';
    if (program === null) return filter.verdict;
    return verdictFor(known?.returns ?? null, RETURNS[program.returns], protocol);
  };
  return {
    what: `a ${kind} filter at pref ${pref}${framesOf(protocol)}${byProgram}`,
    verdict: verdict(),
    to: redirect && (seen.byIfindex.get(redirect.to)?.link.ifname ?? 'a link that is gone'),
    pref,
    removal: `tc filter del dev ${ifname} ingress pref ${pref}`,
  };
}

const programOf = (id: number, { programs }: IndexedNetns): Program | undefined =>
  programs.find((program) => program.id === id);

const nameOf = (id: number, program: Program | undefined): string =>
  program === undefined || program.name === '' ? `${id}` : `${id} "${program.name}"`;

const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [0x0800, 'IPv4'],
  [0x0806, 'ARP'],
  [0x86dd, 'IPv6'],
]);

/**
 * Names the frames of a protocol; in hexadecimal, as ip-link(8) and tcpdump(8), if it has no name
 * here.
 */
function framesOf(protocol: number): string {
  if (protocol === ETH_P_ALL) return '';
  return ` for ${PROTOCOLS.get(protocol) ?? `0x${protocol.toString(16).padStart(4, '0')}`} frames`;
}
