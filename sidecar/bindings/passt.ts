import { BindingError } from '../../shared/errors.ts';
import { NO_NEEDS } from '../domain/bound-interface.ts';
import { requirePodLink } from '../pod/wiring.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';
import type { BindInterface } from './binding.ts';
import { requestedMac } from './guest-mac.ts';
import { forwardedPorts } from './listed-ports.ts';
import { iommuOf, isVirtio, leaf, nicElement } from './nic.ts';

/** Path at which virt-launcher looks for the log. */
const LOG_FILE = '/var/run/kubevirt/passt.log';

/**
 * TCP ports on which Istio's proxy listens in the pod. passt must not forward them, or the proxy
 * could not use them.
 *
 * Source: Istio "Ports used by Istio"
 */
const ISTIO_PORTS = [15000, 15001, 15004, 15006, 15008, 15009, 15020, 15021, 15053, 15090];

/**
 * Connects the guest through passt, which libvirt starts. The guest's connections leave from
 * sockets in the pod, with the pod's addresses.
 *
 * libvirt connects QEMU to passt in one of two ways. vhost-user (libvirt >= 11.1) needs a virtio
 * device and shared memory. A socket that carries frames (libvirt >= 9.0) is slower, but works with
 * any device. So a model other than virtio always gets the socket.
 *
 * @throws {BindingError} INVALID_VMI, LINK_MISSING
 * Source: kubevirt cmd/sidecars/network-passt-binding; libvirt "Userspace connection using passt",
 *   "vhost-user connection with passt backend"
 */
export const bindPasst: BindInterface = (vmi, one, { links, passtBackend }) => {
  if (!one.network.primary) {
    const reason = 'passt serves only the pod network; use tap or slirp for this interface';
    throw new BindingError('INVALID_VMI', `Cannot bind interface "${one.name}": ${reason}`);
  }
  const podLink = requirePodLink(one, links);
  const forwards = portForwardsOf(vmi, one);
  const iommu = iommuOf(vmi, one);
  const vhostUser = passtBackend !== 'user' && isVirtio(one);
  const keepsSocket = passtBackend === null;
  return {
    render: (current) =>
      nicElement(
        { type: vhostUser && !(keepsSocket && hasSocket(current)) ? 'vhostuser' : 'user' },
        vmi,
        one,
        current,
        [
          leaf('source', { dev: podLink.ifname }),
          ...requestedMac(one),
          ...(iommu['iommu'] ? [leaf('driver', iommu)] : []),
          leaf('backend', { type: 'passt', logFile: LOG_FILE }),
          ...forwards,
        ],
      ),
    needs: NO_NEEDS,
    warnings: [],
  };
};

/** Whether a sidecar has already connected this interface to passt through a socket. */
function hasSocket(current: Element | undefined): boolean {
  if (current === undefined || current.attributes['type'] !== 'user') return false;
  return childrenNamed(current, 'backend').some(({ attributes }) => attributes['type'] === 'passt');
}

/**
 * Returns the forwards of the ports that the VMI lists, or of all TCP and UDP ports if it lists
 * none. Istio's ports are excluded from TCP. If the VMI lists no ports, this exclusion forwards
 * every other TCP port and no UDP port, as in KubeVirt's own passt binding.
 */
function portForwardsOf(vmi: Vmi, one: VmiInterface): NewElement[] {
  const ports = forwardedPorts(one);
  const ranges = (protocol: 'tcp' | 'udp') =>
    ports
      .filter((candidate) => candidate.protocol === protocol)
      .map(({ port }) => leaf('range', { start: `${port}` }));
  const excluded = vmi.istio ? ISTIO_PORTS : [];
  const tcp = [
    ...excluded.map((port) => leaf('range', { start: `${port}`, exclude: 'yes' })),
    ...ranges('tcp'),
  ];
  const udp = ranges('udp');
  const all = tcp.length + udp.length === 0;
  return [
    ...(all || tcp.length > 0 ? [portForward('tcp', tcp)] : []),
    ...(all || udp.length > 0 ? [portForward('udp', udp)] : []),
  ];
}

function portForward(proto: string, children: readonly NewElement[]): NewElement {
  return { name: 'portForward', attributes: { proto }, children };
}
