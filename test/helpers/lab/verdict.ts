/**
 * Conditions that must hold in every run with a guest, as sentences about those that do not. The VM
 * tests and the demo share them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Frame } from './capture.ts';
import type { Report } from './console.ts';
import type { Lab } from './lab.ts';
import { GATEWAY4, GATEWAY6 } from './node-network.ts';
import type { PodLink } from './pod-link.ts';

/** The fields of one of the guest's events; empty if the guest reported none. */
export function fieldsOf(
  reports: readonly Report[],
  event: string,
): Readonly<Record<string, string | undefined>> {
  return reports.find((report) => report.event === event)?.fields ?? {};
}

/**
 * Compares the guest's report with what the outside network must have assigned through the pod
 * link.
 *
 * @param own addresses of the pod link, if the pod itself tells them to the guest
 */
export function guestProblems(
  lab: Lab,
  podLink: PodLink,
  reports: readonly Report[],
  own?: readonly [ipv4: string, ipv6: string],
): string[] {
  const of = (event: string) => fieldsOf(reports, event);
  const [address4 = 'none'] = (of('lease4')['address'] ?? 'none').split('/');
  const address6 = of('lease6')['address'] ?? 'none';
  // dnsmasq's own file of leases (expiry, MAC or IAID, address …) has exactly the addresses that it
  // assigned.
  const given = readFileSync(join(lab.dir, 'leases'), 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const gave4 =
    own?.includes(address4) ?? given.some((lease) => lease[1] === podLink.mac && lease[2] === address4);
  const gave6 = own?.includes(address6) ?? given.some((lease) => lease[2] === address6);
  const giver = own === undefined ? 'outside network' : 'pod';
  return [
    ...unless(
      of('nic')['mac'] === podLink.mac,
      `guest has MAC ${of('nic')['mac']}, the pod link ${podLink.mac}`,
    ),
    ...unless(
      of('nic')['mtu'] === `${podLink.mtu}`,
      `guest has MTU ${of('nic')['mtu']}, the pod link ${podLink.mtu}`,
    ),
    ...unless(gave4, `IPv4 address of the guest is ${address4}, which the ${giver} did not give it`),
    ...unless(gave6, `IPv6 address of the guest is ${address6}, which the ${giver} did not give it`),
    ...unless(
      of('routes')['gateway4'] === GATEWAY4,
      `IPv4 gateway of the guest is ${of('routes')['gateway4'] || 'none'}`,
    ),
    ...unless(
      /^fe80:/.test(of('routes')['gateway6'] ?? ''),
      'guest has no IPv6 router from a router advertisement',
    ),
    ...unless(of('ping4')['loss'] === '0%', `ping from the guest to ${GATEWAY4} lost ${of('ping4')['loss']}`),
    ...unless(of('ping6')['loss'] === '0%', `ping from the guest to ${GATEWAY6} lost ${of('ping6')['loss']}`),
  ];
}

/** Frames seen outside must all come from the guest's MAC, which is the pod link's. */
export function frameProblems(podLink: PodLink, frames: readonly Frame[]): string[] {
  const foreign = new Set(frames.map(({ source }) => source).filter((source) => source !== podLink.mac));
  return [
    ...unless(frames.length > 0, 'no frame came in from the pod'),
    ...[...foreign].map(
      (mac) => `frames came in from the pod with source MAC ${mac}, which is not the guest's`,
    ),
  ];
}

/** DEL must leave the netns as ADD found it. */
export function netnsProblems(before: unknown, after: unknown): string[] {
  return unless(isDeepStrictEqual(before, after), "the pod's netns is not as it was before ADD");
}

const unless = (holds: boolean, problem: string) => (holds ? [] : [problem]);
