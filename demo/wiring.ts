/** Reads the wiring of a pod from the kernel, so that the drawing shows the actual state. */
import type { Lab } from '../test/helpers/lab/lab.ts';
import { BRIDGE } from '../test/helpers/lab/node-network.ts';
import type { PodLink } from '../test/helpers/lab/pod-link.ts';
import { run } from '../test/helpers/lab/run.ts';

export interface WiredLink {
  readonly ifname: string;
  /** `veth`, `tun`, … */
  readonly kind: string;
  readonly mac: string;
  readonly mtu: number;
  /** Global addresses with prefix lengths. */
  readonly addresses: readonly string[];
  /** `uid:gid` that may open a tap; null for other links. */
  readonly owner: string | null;
}

/** One direction of the redirect: the classifier, and the link to which it sends frames. */
export interface WiredRedirect {
  readonly classifier: string;
  readonly to: string;
}

export interface Wiring {
  /** Names of the two netns. */
  readonly node: string;
  readonly pod: string;
  readonly bridge: WiredLink;
  readonly port: WiredLink;
  readonly podLink: WiredLink;
  readonly tap: WiredLink;
  readonly fromPodLink: WiredRedirect | null;
  readonly fromTap: WiredRedirect | null;
}

/** A link in the output of `ip -j -d address show`. */
interface ShownLink {
  readonly address: string;
  readonly mtu: number;
  readonly linkinfo?: {
    readonly info_kind: string;
    readonly info_data?: { readonly user?: unknown; readonly group?: unknown };
  };
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** A filter in the output of `tc -j filter show`. */
interface ShownFilter {
  readonly kind: string;
  readonly options?: { readonly actions?: readonly { readonly kind: string; readonly to_dev?: string }[] };
}

export async function readWiring(lab: Lab, podLink: PodLink, tap: string): Promise<Wiring> {
  const [fromPodLink, fromTap] = [await readRedirect(lab, podLink.ifname), await readRedirect(lab, tap)];
  return {
    node: lab.node,
    pod: lab.pod,
    bridge: await readLink(lab, lab.node, BRIDGE),
    port: await readLink(lab, lab.node, podLink.port),
    podLink: await readLink(lab, lab.pod, podLink.ifname),
    tap: await readLink(lab, lab.pod, tap),
    fromPodLink,
    fromTap,
  };
}

async function readLink(lab: Lab, netns: string, ifname: string): Promise<WiredLink> {
  const text = await run(lab, ['ip', '-n', netns, '-j', '-d', 'address', 'show', ifname]);
  const [shown]: [ShownLink] = JSON.parse(text);
  const { user, group } = shown.linkinfo?.info_data ?? {};
  return {
    ifname,
    kind: shown.linkinfo?.info_kind ?? 'device',
    mac: shown.address,
    mtu: shown.mtu,
    addresses: shown.addr_info
      .filter(({ scope }) => scope === 'global')
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    owner: user === undefined ? null : `${user}:${group}`,
  };
}

async function readRedirect(lab: Lab, ifname: string): Promise<WiredRedirect | null> {
  const text = await run(lab, ['tc', '-n', lab.pod, '-j', 'filter', 'show', 'dev', ifname, 'ingress']);
  const filters: ShownFilter[] = JSON.parse(text || '[]');
  for (const { kind, options } of filters) {
    const to = options?.actions?.find((action) => action.kind === 'mirred')?.to_dev;
    if (to !== undefined) return { classifier: kind, to };
  }
  return null;
}
