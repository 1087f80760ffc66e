import { BindingError } from '../../shared/errors.ts';
import type { VmiInterface } from '../vmi/vmi.ts';
import type { BindInterface } from './binding.ts';
import { aliasOf, iommuOf, leaf, macOf, nicElement } from './nic.ts';
import { forwardedPorts } from './ports.ts';

const DEFAULT_CIDR = '10.0.2.0/24';
/** QEMU takes /4 to /29; but the first address that it leases is the network's fifteenth, in a /28 the broadcast address. */
const PREFIX_LENGTHS = { min: 4, max: 27 };

/**
 * slirp, the user-mode network inside QEMU: works on any pod and any network, needs nothing, and is slow.
 *
 * libvirt has an interface for it but no port forwards. So the interface is there, which KubeVirt wants to see, and its device
 * is connected to a backend of ours on QEMU's command line instead of libvirt's own. Any model works: libvirt makes the device.
 * (KubeVirt's own slirp sidecar made the device on the command line, too, and knew but e1000 and rtl8139.)
 *
 * @throws {BindingError} INVALID_VMI
 * Source: kubevirt v1.8 cmd/sidecars/network-slirp-binding; QEMU "-netdev user"; libvirt "Userspace SLIRP connection"
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
        ...macOf(one),
        ...(iommu['iommu'] ? [leaf('driver', iommu)] : []),
      ]),
    needs: {
      sharedMemory: false,
      arguments: [{ option: '-netdev', id, value: options.join(',') }],
      overrides: [{ alias: aliasOf(one.name), property: 'netdev', value: id }],
    },
    warnings: [],
  };
};

/** QEMU wants a letter first, and then what KubeVirt allows in a name and dots. By it we know ours again. */
function netdevIdOf({ name }: VmiInterface): string {
  if (/^[\w.-]{1,200}$/.test(name)) return `tapwire-${name}`;
  throw invalid(name, 'its name cannot be the id of a QEMU device; want letters, digits, "-", "_" and "."');
}

function cidrOf({ name, network }: VmiInterface): string {
  const cidr = (network.primary ? network.cidr : null) ?? DEFAULT_CIDR;
  const octet = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
  const [, length] = new RegExp(`^${octet}(?:\\.${octet}){3}/(\\d{1,2})$`).exec(cidr) ?? [];
  const { min, max } = PREFIX_LENGTHS;
  if (length !== undefined && Number(length) >= min && Number(length) <= max) return cidr;
  const want = `want IPv4 with a prefix length of ${min} to ${max}, such as ${DEFAULT_CIDR}`;
  throw invalid(name, `vmNetworkCIDR ${JSON.stringify(cidr)} is no network for slirp; ${want}`);
}

function invalid(name: string, reason: string): BindingError {
  return new BindingError('INVALID_VMI', `Cannot bind interface "${name}": ${reason}`);
}

/** Others ("." is one that Kubernetes allows) say nothing to a DHCP client, and a comma would begin another option of QEMU's. */
function isDomainName(domain: string): boolean {
  return /^[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/.test(domain);
}
