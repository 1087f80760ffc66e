/** What prevResult says of the pod link, compared with the link: some plugins report what they were asked for, or what was so before. */
import { hash } from 'node:crypto';
import { canonicalMac } from '../../../shared/mac.ts';
import type { Address } from '../../../shared/rtnetlink/address.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import { canonicalCidr } from '../../request/address.ts';
import type { PrevResult } from '../../request/prev-result.ts';

/** A claim of prevResult about the pod link that is not true. */
export interface UntrueClaim {
  /** The claim and, of a MAC address or sandbox, what is so instead: a record keeps the mark that ADD found. */
  readonly mark: string;
  readonly about: 'sandbox' | 'mac' | 'address';
  /** What ADD says of it, in words that follow "prevResult says that". */
  readonly never: string;
  /** What CHECK says of it, if it was true at ADD. */
  readonly lost: string;
}

/** Most marks in a record: those of the longest names still fit in an ifalias. */
const MAX_MARKS = 5;
/** Before the number of all untrue claims, if they have more marks than fit. */
const MORE = '*';
/** Hex digits of a mark. */
const MARK_DIGITS = 6;
/** Most of a link's addresses that a message lists. */
const MAX_SHOWN = 5;
/** UTF-16 units of a claim that a message repeats. */
const MAX_TEXT = 100;

/**
 * Finds the claims that are not true. None if prevResult does not list the pod link, as a binding's. Pure.
 *
 * @param netns CNI_NETNS
 * @param addresses of the netns; needed only if `claimsAddresses`
 */
export function findUntrueClaims(
  pod: Link,
  { interfaces, ips }: PrevResult,
  netns: string,
  addresses: readonly Address[],
): readonly UntrueClaim[] {
  const index = indexOf(pod.ifname, interfaces);
  const listed = interfaces[index];
  if (listed === undefined) return [];
  const [mac, sandbox] = [brief(listed.mac), brief(listed.sandbox)];
  const link = `pod link "${pod.ifname}"`;
  const untrue: UntrueClaim[] = [];
  if (listed.sandbox !== netns) {
    untrue.push({
      mark: markOf(`sandbox ${listed.sandbox} ${netns}`),
      about: 'sandbox',
      never: `${link} is in ${sandbox}, but CNI_NETNS is ${netns}`,
      lost: `Sandbox in prevResult ${sandbox} does not match configured netns ${netns}`,
    });
  }
  const claimedMac = canonicalMac(listed.mac) ?? listed.mac.toLowerCase();
  if (listed.mac !== '' && claimedMac !== pod.mac) {
    untrue.push({
      mark: markOf(`mac ${claimedMac} ${pod.mac}`),
      about: 'mac',
      never: `${link} has MAC ${mac}, but it has ${pod.mac}`,
      lost: `${link} has MAC ${pod.mac} instead of ${mac}`,
    });
  }
  const real = new Set(
    addresses
      .filter(({ ifindex }) => ifindex === pod.ifindex)
      .map(({ local, prefixLength }) => canonicalCidr(`${local}/${prefixLength}`)),
  );
  const has = listOf([...real]);
  for (const { address } of ips.filter((ip) => ip.interface === index)) {
    const claimed = canonicalCidr(address);
    if (real.has(claimed)) continue;
    untrue.push({
      mark: markOf(`address ${claimed}`),
      about: 'address',
      never: `${link} has address ${brief(address)}, but it has ${has}`,
      lost: `${link} has lost its address ${brief(address)}`,
    });
  }
  return untrue;
}

/** Whether prevResult says which addresses the pod link has. */
export function claimsAddresses(podLink: string, { interfaces, ips }: PrevResult): boolean {
  const index = indexOf(podLink, interfaces);
  return ips.some((ip) => ip.interface === index);
}

/** The link of that name in a container; the node may have one as well. -1: none. */
const indexOf = (podLink: string, interfaces: PrevResult['interfaces']): number =>
  interfaces.findIndex(({ name, sandbox }) => name === podLink && sandbox !== '');

/** What a record keeps of the claims that ADD found untrue. */
export const marksOf = (untrue: readonly UntrueClaim[]): readonly string[] => [
  ...untrue.slice(0, MAX_MARKS).map(({ mark }) => mark),
  ...(untrue.length > MAX_MARKS ? [`${MORE}${untrue.length}`] : []),
];

/** What ADD logs. */
export const warningsOf = (untrue: readonly UntrueClaim[]): readonly string[] =>
  untrue
    .slice(0, MAX_MARKS)
    .map(({ never }) => `prevResult says that ${never}; CHECK expects what ADD found`);

/**
 * What CHECK finds wrong, in words: claims that were true when ADD compared them. Of more claims than a record has marks of, only
 * their number tells that some are no longer true. Pure.
 *
 * @param told marks of the pod's record; null: its ADD did not compare, so nobody knows whether the link ever had what is claimed
 */
export function findLost(untrue: readonly UntrueClaim[], told: readonly string[] | null): readonly string[] {
  const sentences = (claims: readonly UntrueClaim[]) => claims.map(({ lost }) => lost);
  if (told === null) return sentences(untrue.filter(({ about }) => about === 'sandbox'));
  const more = told.find((mark) => mark.startsWith(MORE));
  if (more === undefined) return sentences(untrue.filter(({ mark }) => !told.includes(mark)));
  const count = Number(more.slice(MORE.length));
  return untrue.length > count
    ? [`${untrue.length} claims of prevResult are not true, ${count} were not at ADD`]
    : [];
}

const markOf = (text: string): string => hash('sha256', text, 'hex').slice(0, MARK_DIGITS);

const brief = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text);

function listOf(addresses: readonly string[]): string {
  const shown = addresses.slice(0, MAX_SHOWN).join(', ');
  if (addresses.length > MAX_SHOWN) return `${shown} and ${addresses.length - MAX_SHOWN} more`;
  return shown === '' ? 'none' : shown;
}
