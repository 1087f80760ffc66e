/**
 * Compares what prevResult claims about the pod link with the link: some plugins report what they
 * were asked for, or an earlier state.
 */
import { hash } from 'node:crypto';
import { canonicalMac } from '../../../shared/mac.ts';
import type { Address } from '../../../shared/rtnetlink/address.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import { canonicalCidr } from '../../request/address.ts';
import type { PrevResult } from '../../request/prev-result.ts';

/** A claim of prevResult about the pod link that is not true. */
export interface UntrueClaim {
  /**
   * Hash of the claim and, for a MAC address or sandbox, of the real value. ADD stores it in the
   * record.
   */
  readonly mark: string;
  readonly about: 'sandbox' | 'mac' | 'address';
  /** ADD's warning, in words that follow "prevResult says that". */
  readonly never: string;
  /** The defect that CHECK reports if the record does not contain the mark. */
  readonly lost: string;
}

/** Maximum number of marks in a record: with the longest names, they still fit in an ifalias. */
const MAX_MARKS = 5;
/**
 * Prefix of the last mark if there are more than MAX_MARKS claims; the number of all untrue claims
 * follows it.
 */
const MORE = '*';
/** Length of a mark in hex digits. */
const MARK_DIGITS = 6;
/** Maximum number of a link's addresses that a message lists. */
const MAX_SHOWN = 5;
/** Maximum length of a claim in a message, in UTF-16 units. */
const MAX_TEXT = 100;

/**
 * Finds the untrue claims. The result is empty if prevResult does not list the pod link, which is
 * the case for a binding's NAD. Pure.
 *
 * @param netns CNI_NETNS
 * @param addresses all addresses of the netns; may be empty if `claimsAddresses` returns false
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

/** Whether prevResult claims addresses of the pod link. */
export function claimsAddresses(podLink: string, { interfaces, ips }: PrevResult): boolean {
  const index = indexOf(podLink, interfaces);
  return ips.some((ip) => ip.interface === index);
}

/**
 * Index of the interface with that name in a container, because the node may have one of the same
 * name; -1 if there is none.
 */
const indexOf = (podLink: string, interfaces: PrevResult['interfaces']): number =>
  interfaces.findIndex(({ name, sandbox }) => name === podLink && sandbox !== '');

/** Returns the marks to store in the record, for the claims that ADD found to be untrue. */
export const marksOf = (untrue: readonly UntrueClaim[]): readonly string[] => [
  ...untrue.slice(0, MAX_MARKS).map(({ mark }) => mark),
  ...(untrue.length > MAX_MARKS ? [`${MORE}${untrue.length}`] : []),
];

/** Returns the warnings that ADD logs: at most MAX_MARKS. */
export const warningsOf = (untrue: readonly UntrueClaim[]): readonly string[] =>
  untrue
    .slice(0, MAX_MARKS)
    .map(({ never }) => `prevResult says that ${never}; CHECK expects what ADD found`);

/**
 * Describes the claims that have become untrue since ADD, and those whose real MAC address or
 * sandbox has changed since. If the record has the number of untrue claims instead of all marks,
 * only compares that number. Pure.
 *
 * @param told marks of the record; null: its ADD did not compare the claims, so only a wrong
 * sandbox is reported
 */
export function findLost(untrue: readonly UntrueClaim[], told: readonly string[] | null): readonly string[] {
  const sentences = (claims: readonly UntrueClaim[]) => claims.map(({ lost }) => lost);
  if (told === null) return sentences(untrue.filter(({ about }) => about === 'sandbox'));
  const more = told.find((mark) => mark.startsWith(MORE));
  if (more === undefined) return sentences(untrue.filter(({ mark }) => !told.includes(mark)));
  const count = Number(more.slice(MORE.length));
  return untrue.length > count
    ? [`${untrue.length} claims of prevResult are untrue, but only ${count} were untrue at ADD`]
    : [];
}

const markOf = (text: string): string => hash('sha256', text, 'hex').slice(0, MARK_DIGITS);

const brief = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text);

function listOf(addresses: readonly string[]): string {
  const shown = addresses.slice(0, MAX_SHOWN).join(', ');
  if (addresses.length > MAX_SHOWN) return `${shown} and ${addresses.length - MAX_SHOWN} more`;
  return shown === '' ? 'none' : shown;
}
