import { BindingError } from '../../shared/errors.ts';
import {
  hashedPodIfname,
  PRIMARY_LINKS,
  PRIMARY_TAP_IFNAME,
  secondaryTapIfname,
} from '../../shared/kubevirt/names.ts';
import type { Link, TunDetails } from '../../shared/rtnetlink/link.ts';
import type { VmiInterface } from '../vmi/vmi.ts';

export type TapLink = Link & { readonly tun: TunDetails };

/** The two ends that the CNI has wired together for one interface. */
export interface Wiring {
  readonly podLink: Link;
  readonly tap: TapLink;
}

type Wired = Pick<VmiInterface, 'name' | 'network'>;

/** What a list of links in a message may grow to: it ends up in an HTTP/2 header. */
const MAX_LINKS_SHOWN = 20;

/**
 * Finds the pod link of an interface the way virt-launcher does, and the tap beside it.
 *
 * Names are computed from the VMI's network, never taken from the domain.
 *
 * @throws {BindingError} LINK_MISSING; LINK_UNSUPPORTED when the name of the tap belongs to something else
 * Source: kubevirt pkg/network/link/discovery.go and names.go
 */
export function findWiring(bound: Wired, links: readonly Link[]): Wiring {
  const podLink = findPodLink(bound, links);
  const tapIfname = tapIfnameOf(bound, podLink);
  const tap = find(links, tapIfname);
  if (tap === undefined) {
    const remedy = "does the binding's networkAttachmentDefinition name a NAD of type tapwire?";
    const reason = `no tap "${tapIfname}" beside "${podLink.ifname}" in the pod; ${remedy}`;
    throw refused('LINK_MISSING', bound, links, reason);
  }
  if (!isTap(tap)) {
    const reason = `"${tapIfname}" is not a tap but ${describeKind(tap)}; what made it?`;
    throw refused('LINK_UNSUPPORTED', bound, links, reason);
  }
  return { podLink, tap };
}

/** The pod link of an interface. @throws {BindingError} LINK_MISSING */
export function findPodLink(bound: Wired, links: readonly Link[]): Link {
  const podLink = lookUpPodLink(bound, links);
  if (podLink !== undefined) return podLink;
  const wanted = podIfnames(bound)
    .map((ifname) => `"${ifname}"`)
    .join(' or ');
  const reason = `no pod link ${wanted} in the pod; was its network attached?`;
  throw refused('LINK_MISSING', bound, links, reason);
}

/** Whatever has the name of the tap beside an interface's pod link, if both are there. */
export function lookUpTap(bound: Wired, links: readonly Link[]): Link | undefined {
  const podLink = lookUpPodLink(bound, links);
  return podLink === undefined ? undefined : find(links, tapIfnameOf(bound, podLink));
}

function lookUpPodLink(bound: Wired, links: readonly Link[]): Link | undefined {
  return podIfnames(bound)
    .map((ifname) => find(links, ifname))
    .find((link) => link !== undefined);
}

/** In the order in which they are looked for. */
function podIfnames({ name, network }: Wired): readonly string[] {
  if (!network.primary) {
    return [hashedPodIfname(name), ...(network.ordinal === null ? [] : [`net${network.ordinal}`])];
  }
  return network.podIfname === null ? PRIMARY_LINKS : [network.podIfname];
}

function tapIfnameOf({ network }: Wired, podLink: Link): string {
  return network.primary ? PRIMARY_TAP_IFNAME : secondaryTapIfname(podLink.ifname);
}

function find(links: readonly Link[], ifname: string): Link | undefined {
  return links.find((link) => link.ifname === ifname);
}

function isTap(link: Link): link is TapLink {
  return link.tun?.mode === 'tap';
}

function describeKind({ kind, tun }: Link): string {
  if (tun !== null) return 'a tun of layer 3';
  return kind === null ? 'a physical device' : `of kind ${kind}`;
}

function refused(
  code: 'LINK_MISSING' | 'LINK_UNSUPPORTED',
  { name }: Wired,
  links: readonly Link[],
  reason: string,
): BindingError {
  return new BindingError(code, `Cannot bind interface "${name}": ${reason}`, {
    details: `links seen: ${listNames(links)}`,
  });
}

function listNames(links: readonly Link[]): string {
  const names = links.slice(0, MAX_LINKS_SHOWN).map((link) => link.ifname);
  return [
    ...names,
    ...(links.length > MAX_LINKS_SHOWN ? [`and ${links.length - MAX_LINKS_SHOWN} more`] : []),
  ].join(', ');
}
