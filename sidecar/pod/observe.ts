import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { readRecord } from '../../shared/record.ts';
import { allAddresses } from '../../shared/rtnetlink/address.ts';
import { allLinks, type Link } from '../../shared/rtnetlink/link.ts';
import { neighboursOf } from '../../shared/rtnetlink/neighbour.ts';
import { allRoutes } from '../../shared/rtnetlink/route.ts';
import type { PodNetwork } from '../services/facts.ts';
import { nameserversOf, searchDomainsOf } from './resolv-conf.ts';

const RESOLV_CONF = '/etc/resolv.conf';

/** Reads the links and the search domains of the pod. @throws {BindingError} KERNEL_REFUSED */
export async function observePod(): Promise<Pick<Observed, 'links' | 'searchDomains'>> {
  return { links: await readLinks(), searchDomains: searchDomainsOf(readResolvConf()) };
}

/**
 * Maximum size in bytes of a reply of the kernel, some 10,000 routes. The pod's owner decides how
 * much there is.
 */
const MAX_REPLY = 1024 * 1024;

/** Reads what the guests are told of the pod. @throws {BindingError} KERNEL_REFUSED, TRY_AGAIN */
export async function observeNetwork(): Promise<PodNetwork> {
  const rtnetlink = new Rtnetlink(null, MAX_REPLY);
  try {
    const [links, addresses, routes] = await rtnetlink.ask(allLinks, allAddresses, allRoutes);
    const taps = links.filter((link) => readRecord(link)?.binding === 'tap');
    const neighbours = (await rtnetlink.ask(...taps.map(({ ifindex }) => neighboursOf(ifindex)))).flat();
    const resolvConf = readResolvConf();
    return {
      ...{ links, addresses, routes, neighbours },
      hostname: hostname().split('.')[0] ?? '',
      nameservers: nameserversOf(resolvConf),
      searchDomains: searchDomainsOf(resolvConf),
    };
  } finally {
    await rtnetlink.close();
  }
}

/** Maximum size in bytes of resolv.conf, which other containers of the pod may share. */
const MAX_RESOLV_CONF = 64 * 1024;

/** Returns the text of resolv.conf; empty if the pod has no such file, or a longer one. */
function readResolvConf(): string {
  try {
    return statSync(RESOLV_CONF).size > MAX_RESOLV_CONF ? '' : readFileSync(RESOLV_CONF, 'utf8');
  } catch {
    return '';
  }
}

/** How libvirt connects QEMU to passt. */
export type PasstBackend = 'vhost-user' | 'user';

/** What the sidecar knows besides the VMI. */
export interface Observed {
  /** Links of the pod's netns. */
  readonly links: readonly Link[];
  /** Domains in which the pod's resolver looks for short names. */
  readonly searchDomains: readonly string[];
  /** Null: vhost-user, unless another sidecar has written `user` into the domain. */
  readonly passtBackend: PasstBackend | null;
}

/**
 * Reads the links of the netns of this process, which is that of the pod. Needs no privilege.
 *
 * @throws {BindingError} KERNEL_REFUSED
 */
export async function readLinks(): Promise<readonly Link[]> {
  const rtnetlink = new Rtnetlink(null);
  try {
    const [links] = await rtnetlink.ask(allLinks);
    return links;
  } finally {
    await rtnetlink.close();
  }
}
