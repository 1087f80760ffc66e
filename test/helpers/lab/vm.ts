import { randomUUID } from 'node:crypto';
import { PRIMARY_TAP_IFNAME, secondaryTapIfname } from '../../../shared/kubevirt/names.ts';
import { vmiJson } from '../sidecar/vmi.ts';
import type { GuestConsole } from './console.ts';
import { type GoElement, leaf, node } from './go-xml.ts';
import type { GuestImage } from './guest-image.ts';
import { GATEWAY4, GATEWAY6 } from './node-network.ts';
import type { PodLink } from './pod-link.ts';

/** The VM of a lab: one interface, on one network. */
export interface Vm {
  readonly name: string;
  readonly uuid: string;
  /** Name of the VMI's network and of its interface. */
  readonly network: string;
  readonly podLink: PodLink;
  readonly cores: number;
  /** `networkInterfaceMultiqueue`: as many queues as cores. */
  readonly multiQueue: boolean;
  /**
   * Whether the binding is registered with `domainAttachmentType: tap`. Otherwise the sidecar adds
   * the interface.
   */
  readonly attachment: 'tap' | 'none';
  /** Name under which the binding is registered. */
  readonly binding: string;
  /** TCP ports that are forwarded to the guest. */
  readonly ports: readonly number[];
  /** Whether the guest asks for addresses, and pings the gateways, when it boots. */
  readonly asks: boolean;
  /** What it then pings: an IPv4 and an IPv6 address, or nothing, and does not ask for either. */
  readonly pings: readonly [ipv4: string, ipv6: string];
}

export type VmOptions = Partial<
  Pick<Vm, 'network' | 'cores' | 'multiQueue' | 'attachment' | 'binding' | 'ports' | 'asks' | 'pings'>
>;

export function makeVm(podLink: PodLink, options: VmOptions = {}): Vm {
  return {
    name: 'lab_vm',
    uuid: randomUUID(),
    podLink,
    network: 'default',
    cores: 1,
    multiQueue: false,
    attachment: 'tap',
    binding: 'tapwire',
    ports: [],
    asks: true,
    pings: [GATEWAY4, GATEWAY6],
    ...options,
  };
}

const isPrimary = ({ podLink }: Vm) => podLink.ifname === 'eth0';

/** The VirtualMachineInstance as virt-launcher passes it to a hook. */
export function toVmi(vm: Vm): string {
  const { network, podLink, cores } = vm;
  const source = isPrimary(vm) ? { pod: {} } : { multus: { networkName: 'lab/lan' } };
  return vmiJson({
    metadata: { namespace: 'lab', name: 'vm', uid: vm.uuid },
    domain: { cpu: { cores, sockets: 1, threads: 1 }, memory: { guest: '256Mi' } },
    interfaces: [{ name: network, binding: { name: vm.binding }, ports: vm.ports.map((port) => ({ port })) }],
    devices: vm.multiQueue ? { networkInterfaceMultiqueue: true } : {},
    volumes: [],
    networks: [{ name: network, ...source }],
    status: { interfaces: [{ name: network, podInterfaceName: podLink.ifname, mac: podLink.mac }] },
  }).toString();
}

/** The domain that virt-launcher creates from the VMI, after "phase 2" of its network setup. */
export function toDomain(vm: Vm, image: GuestImage, guest: GuestConsole): GoElement {
  const ping4 = vm.asks ? vm.pings[0] : '';
  const ping6 = vm.asks && vm.binding !== 'tapwire-slirp' ? vm.pings[1] : ''; // slirp's IPv6 stays inside QEMU
  // Without mitigations and self-tests, the guest boots one second faster on an emulated CPU.
  const kernelArguments = `console=ttyS0 quiet mitigations=off nokaslr cryptomgr.notests PING4=${ping4} PING6=${ping6}`;
  return node(
    'domain',
    { type: 'qemu', 'xmlns:qemu': 'http://libvirt.org/schemas/domain/qemu/1.0' },
    leaf('name', vm.name),
    leaf('uuid', vm.uuid),
    leaf('memory', `${256 * 1024 * 1024}`, { unit: 'b' }),
    node(
      'os',
      {},
      leaf('type', 'hvm', { arch: 'x86_64', machine: 'q35' }),
      leaf('kernel', `${image.dir}/${image.kernel}`),
      leaf('initrd', `${image.dir}/${image.initrd}`),
      leaf('cmdline', kernelArguments),
    ),
    node(
      'devices',
      {},
      leaf('emulator', '/usr/bin/qemu-system-x86_64'),
      ...(vm.attachment === 'tap' ? [tapInterface(vm)] : []),
      node('controller', { type: 'usb', index: '0', model: 'none' }),
      node('memballoon', { model: 'none' }),
      serialPort(guest),
    ),
    node('metadata', {}, node('kubevirt', { xmlns: 'http://kubevirt.io' }, leaf('uid', ''))),
    node('features', {}, leaf('acpi', '')),
    node('cpu', {}, node('topology', { sockets: '1', cores: `${vm.cores}`, threads: '1' })),
    leaf('vcpu', `${vm.cores}`, { placement: 'static' }),
  );
}

/** Source: kubevirt virtwrap/converter/network/configurator.go, network/domainspec/generators.go */
function tapInterface(vm: Vm): GoElement {
  const { network, podLink, cores, multiQueue } = vm;
  const tap = isPrimary(vm) ? PRIMARY_TAP_IFNAME : secondaryTapIfname(podLink.ifname);
  const target = podLink.kind === 'macvtap' ? podLink.ifname : tap; // the pod link, if there is no tap
  return node(
    'interface',
    { type: 'ethernet' },
    leaf('source', ''),
    node('target', { dev: target, managed: 'no' }),
    node('model', { type: 'virtio-non-transitional' }),
    node('mac', { address: podLink.mac }),
    node('mtu', { size: `${podLink.mtu}` }),
    node('alias', { name: `ua-${network}` }),
    ...(multiQueue ? [node('driver', { name: 'vhost', queues: `${cores}` })] : []),
    node('rom', { enabled: 'no' }),
  );
}

function serialPort({ socket, log }: GuestConsole): GoElement {
  return node(
    'serial',
    { type: 'unix' },
    node('target', { port: '0' }),
    node('source', { mode: 'bind', path: socket }),
    node('log', { file: log, append: 'on' }),
  );
}
