import { readFileSync } from 'node:fs';
import type { Observed } from '../bindings/binding.ts';
import { readLinks } from '../links.ts';
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
