import { readFileSync } from 'node:fs';
import { openRtnetlink } from '../../shared/netns/netns.ts';
import { allLinks, type Link } from '../../shared/rtnetlink/link.ts';
import { searchDomainsOf } from './resolv-conf.ts';

/** Looks at the pod that we are in. @throws {BindingError} KERNEL_REFUSED */
export async function observePod(): Promise<Pick<Observed, 'links' | 'searchDomains'>> {
  return { links: await readLinks(), searchDomains: searchDomainsOf(readResolvConf()) };
}

/** A pod may be without; then there is nothing to search. */
function readResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return '';
  }
}

/** By which of its two connections libvirt lets QEMU talk to passt. */
export type PasstBackend = 'vhost-user' | 'user';

/** What there is to know beside the VMI. */
export interface Observed {
  /** Of the pod's netns. */
  readonly links: readonly Link[];
  /** Where the pod's resolver looks for short names. */
  readonly searchDomains: readonly string[];
  readonly passtBackend: PasstBackend;
}

/** The links of the netns that we run in, the pod's. Needs no privilege. @throws {BindingError} KERNEL_REFUSED */
export async function readLinks(): Promise<readonly Link[]> {
  const rtnetlink = openRtnetlink(null);
  try {
    const [links] = await rtnetlink.ask(allLinks);
    return links;
  } finally {
    await rtnetlink.close();
  }
}
