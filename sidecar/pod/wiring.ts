import { BindingError } from '../../shared/errors.ts';
import {
  hashedPodIfname,
  PRIMARY_LINKS,
  PRIMARY_TAP_IFNAME,
  secondaryTapIfname,
} from '../../shared/kubevirt/names.ts';
import { listSome } from '../../shared/list-some.ts';
import type { Link, TunDetails } from '../../shared/rtnetlink/link.ts';
import type { VmiInterface } from '../vmi/vmi.ts';

export type TapLink = Link & { readonly tun: TunDetails };

/** The pod link and the tap that the CNI plugin has wired together for one interface. */
export interface Wiring {
  readonly podLink: Link;
  readonly tap: TapLink;
}

type InterfaceRef = Pick<VmiInterface, 'name' | 'network'>;

/**
 * Returns the pod link of an interface, found as virt-launcher finds it, and the tap that belongs
 * to it.
 *
 * Both names are derived from the VMI's network, never taken from the domain.
 *
 * @throws {BindingError} LINK_MISSING; LINK_UNSUPPORTED if a link that is not a tap has the tap's
 *   name
 * Source: kubevirt pkg/network/link/discovery.go and names.go
 */
export function requireWiring(bound: InterfaceRef, links: readonly Link[]): Wiring {
  const podLink = requirePodLink(bound, links);
  const tapIfname = tapIfnameOf(bound, podLink);
  const tap = find(links, tapIfname);
  if (tap === undefined) {
    const remedy = "set the binding's networkAttachmentDefinition to a NAD of type tapwire";
    const reason = `the pod has link "${podLink.ifname}" but no tap "${tapIfname}"; ${remedy}`;
    throw bindingError('LINK_MISSING', bound, links, reason);
  }
  if (!isTap(tap)) {
    const reason = `"${tapIfname}" is not a tap but ${describeKind(tap)}; use only one binding for the interface`;
    throw bindingError('LINK_UNSUPPORTED', bound, links, reason);
  }
  return { podLink, tap };
}

/**
 * Returns the macvtap that is the pod link of an interface.
 *
 * @throws {BindingError} LINK_MISSING; LINK_UNSUPPORTED if the pod link is of another kind
 */
export function requireMacvtap(bound: InterfaceRef, links: readonly Link[]): Link {
  const podLink = requirePodLink(bound, links);
  if (podLink.macvtap !== null) return podLink;
  const remedy = 'let the VM\'s network name a NAD of type tapwire with "binding": "macvtap"';
  const reason = `"${podLink.ifname}" is not a macvtap but ${describeKind(podLink)}; ${remedy}`;
  throw bindingError('LINK_UNSUPPORTED', bound, links, reason);
}

/** Returns the pod link of an interface. @throws {BindingError} LINK_MISSING */
export function requirePodLink(bound: InterfaceRef, links: readonly Link[]): Link {
  const podLink = findPodLink(bound, links);
  if (podLink !== undefined) return podLink;
  const wanted = podIfnames(bound)
    .map((ifname) => `"${ifname}"`)
    .join(' or ');
  const reason = `the pod has no link ${wanted}; check the pod's network-status annotation`;
  throw bindingError('LINK_MISSING', bound, links, reason);
}

/**
 * Returns the link that has the name of the interface's tap, whatever its kind; undefined if that
 * link or the pod link is missing.
 */
export function findTap(bound: InterfaceRef, links: readonly Link[]): Link | undefined {
  const podLink = findPodLink(bound, links);
  return podLink === undefined ? undefined : find(links, tapIfnameOf(bound, podLink));
}

/** Returns the pod link of an interface if it is a macvtap, and the guest's NIC has no tap. */
export function findMacvtap(bound: InterfaceRef, links: readonly Link[]): Link | undefined {
  const podLink = findPodLink(bound, links);
  if (podLink === undefined || podLink.macvtap === null) return undefined;
  return find(links, tapIfnameOf(bound, podLink)) === undefined ? podLink : undefined;
}

function findPodLink(bound: InterfaceRef, links: readonly Link[]): Link | undefined {
  return podIfnames(bound)
    .map((ifname) => find(links, ifname))
    .find((link) => link !== undefined);
}

/** Possible names of the pod link, in the order in which they are tried. */
function podIfnames({ name, network }: InterfaceRef): readonly string[] {
  if (!network.primary) {
    return [hashedPodIfname(name), ...(network.ordinal === null ? [] : [`net${network.ordinal}`])];
  }
  return network.podIfname === null ? PRIMARY_LINKS : [network.podIfname];
}

function tapIfnameOf({ network }: InterfaceRef, podLink: Link): string {
  return network.primary ? PRIMARY_TAP_IFNAME : secondaryTapIfname(podLink.ifname);
}

function find(links: readonly Link[], ifname: string): Link | undefined {
  return links.find((link) => link.ifname === ifname);
}

function isTap(link: Link): link is TapLink {
  return link.tun?.mode === 'tap';
}

function describeKind({ kind, tun }: Link): string {
  if (tun !== null) return tun.mode === 'tap' ? 'a tap' : 'a layer 3 tun';
  return kind === null ? 'a physical device' : `of kind ${kind}`;
}

function bindingError(
  code: 'LINK_MISSING' | 'LINK_UNSUPPORTED',
  { name }: InterfaceRef,
  links: readonly Link[],
  reason: string,
): BindingError {
  return new BindingError(code, `Cannot bind interface "${name}": ${reason}`, {
    details: `links seen: ${listSome(links.map(({ ifname }) => ifname))}`,
  });
}
