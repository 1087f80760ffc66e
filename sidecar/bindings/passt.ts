import { BindingError } from '../../shared/errors.ts';
import { NO_NEEDS } from '../domain/bound-interface.ts';
import { findPodLink } from '../pod/wiring.ts';
import type { Vmi, VmiInterface } from '../vmi/vmi.ts';
import type { NewElement } from '../xml/markup.ts';
import type { BindInterface } from './binding.ts';
import { iommuOf, isVirtio, leaf, macOf, nicElement } from './nic.ts';
import { forwardedPorts } from './ports.ts';

/** Where virt-launcher looks for it. */
const LOG_FILE = '/var/run/kubevirt/passt.log';

/** Ports on which Istio's proxy listens in the pod: passt would take them away from it. Source: Istio "Ports used by Istio" */
const ISTIO_PORTS = [15000, 15001, 15004, 15006, 15008, 15009, 15020, 15021, 15053, 15090];

/**
 * passt, started by libvirt: the guest's connections leave from sockets in the pod, with the pod's addresses.
 *
 * libvirt connects QEMU to it by vhost-user (since 11.1), which wants a virtio device and shared memory, or by a socket of
 * frames (since 9.0): slower, for any device. Another model than virtio so gets the latter, whatever the backend.
 *
 * @throws {BindingError} INVALID_VMI, LINK_MISSING
 * Source: kubevirt cmd/sidecars/network-passt-binding; libvirt "Userspace connection using passt", "vhost-user connection with
 *   passt backend"
 */
export const bindPasst: BindInterface = (vmi, one, { links, passtBackend }) => {
  if (!one.network.primary) {
    const reason = 'passt serves the pod network alone; use tap or slirp for this one';
    throw new BindingError('INVALID_VMI', `Cannot bind interface "${one.name}": ${reason}`);
  }
  const podLink = findPodLink(one, links);
  const forwards = portForwardsOf(vmi, one);
  const iommu = iommuOf(vmi, one);
  const vhostUser = passtBackend === 'vhost-user' && isVirtio(one);
  return {
    render: (current) =>
      nicElement({ type: vhostUser ? 'vhostuser' : 'user' }, vmi, one, current, [
        leaf('source', { dev: podLink.ifname }),
        ...macOf(one),
        ...(iommu['iommu'] ? [leaf('driver', iommu)] : []),
        leaf('backend', { type: 'passt', logFile: LOG_FILE }),
        ...forwards,
      ]),
    needs: { ...NO_NEEDS, sharedMemory: vhostUser },
    warnings: [],
  };
};

/**
 * All ports of both protocols when the VMI lists none; else what it lists. Istio's ports are left out of TCP's; with nothing
 * else listed that means every other port of TCP, and none of UDP, as in KubeVirt's own passt binding.
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
