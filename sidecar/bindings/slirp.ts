import { BindingError } from '../../shared/errors.ts';
import type { VmiInterface } from '../vmi/vmi.ts';
import type { BindInterface } from './binding.ts';
import { requestedMac } from './guest-mac.ts';
import { forwardedPorts } from './listed-ports.ts';
import { aliasOf, iommuOf, leaf, nicElement } from './nic.ts';

const DEFAULT_CIDR = '10.0.2.0/24';
/**
 * Prefix lengths that work. QEMU accepts /4 to /29, but the first address that it leases is the
 * network's fifteenth. In a /28, that is the broadcast address.
 */
const PREFIX_LENGTHS = { min: 4, max: 27 };

/**
 * Connects the guest through slirp, the user-mode network inside QEMU. slirp works in any pod, on
 * any network and with any device model, without privileges or links, but it is slow.
 *
 * libvirt has an interface type for slirp, but without port forwards. So the domain has that
 * interface, because KubeVirt expects one, and libvirt creates its device. An override then
 * connects the device to a backend that the QEMU command line adds, instead of libvirt's own
 * backend. (KubeVirt's own slirp sidecar added the device on the command line, too, and supported
 * only e1000 and rtl8139.)
 *
 * @throws {BindingError} INVALID_VMI
 * Source: kubevirt v1.8 cmd/sidecars/network-slirp-binding; QEMU "-netdev user"; libvirt "Userspace
 *   SLIRP connection"
 */
export const bindSlirp: BindInterface = (vmi, one, { searchDomains }) => {
  const id = netdevIdOf(one);
  const options = [
    `user,id=${id}`,
    `net=${cidrOf(one)}`,
    ...searchDomains.filter(isDomainName).map((domain) => `dnssearch=${domain}`),
    ...forwardedPorts(one).map(({ protocol, port }) => `hostfwd=${protocol}::${port}-:${port}`),
  ];
  const iommu = iommuOf(vmi, one);
  return {
    render: (current) =>
      nicElement({ type: 'user' }, vmi, one, current, [
        ...requestedMac(one),
        ...(iommu['iommu'] ? [leaf('driver', iommu)] : []),
      ]),
    needs: {
      arguments: [{ option: '-netdev', id, value: options.join(',') }],
      overrides: [{ alias: aliasOf(one.name), property: 'netdev', value: id }],
    },
    warnings: [],
  };
};

/**
 * Returns the id of the QEMU backend. QEMU requires a letter first, then the characters that
 * KubeVirt allows in a name, or dots. The prefix marks the backends that Tapwire added.
 */
function netdevIdOf({ name }: VmiInterface): string {
  if (/^[\w.-]{1,200}$/.test(name)) return `tapwire-${name}`;
  throw invalid(name, 'QEMU cannot use its name as an id; want 1 to 200 letters, digits, "-", "_" and "."');
}

function cidrOf({ name, network }: VmiInterface): string {
  const cidr = (network.primary ? network.cidr : null) ?? DEFAULT_CIDR;
  const octet = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
  const [, length] = new RegExp(`^${octet}(?:\\.${octet}){3}/(\\d{1,2})$`).exec(cidr) ?? [];
  const { min, max } = PREFIX_LENGTHS;
  if (length !== undefined && Number(length) >= min && Number(length) <= max) return cidr;
  const want = `want IPv4 with a prefix length of ${min} to ${max}, such as ${DEFAULT_CIDR}`;
  throw invalid(name, `slirp cannot use vmNetworkCIDR ${JSON.stringify(cidr)}; ${want}`);
}

function invalid(name: string, reason: string): BindingError {
  return new BindingError('INVALID_VMI', `Cannot bind interface "${name}": ${reason}`);
}

/**
 * Whether slirp can pass the domain to the guest. Kubernetes also allows ".", which is useless to a
 * DHCP client. A comma would start another QEMU option.
 */
function isDomainName(domain: string): boolean {
  return /^[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/.test(domain);
}
