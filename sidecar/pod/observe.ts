import { readFileSync } from 'node:fs';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { allLinks, type Link } from '../../shared/rtnetlink/link.ts';
import { searchDomainsOf } from './resolv-conf.ts';

/** Reads the links and the search domains of the pod. @throws {BindingError} KERNEL_REFUSED */
export async function observePod(): Promise<Pick<Observed, 'links' | 'searchDomains'>> {
  return { links: await readLinks(), searchDomains: searchDomainsOf(readResolvConf()) };
}

/** Returns the text of resolv.conf; empty if the pod has no such file. */
function readResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
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
