/**
 * Defines a domain as virt-launcher does: in passes. In each of them the hook gets what
 * virt-launcher's structs and libvirt have made of the previous replies. At the end, libvirt keeps
 * the unchanged last reply.
 *
 * Source: kubevirt virtwrap/manager.go allocateHotplugPorts, virtwrap/network/nichotplug.go
 * WithNetworkIfacesResources, virtwrap/util/libvirt_helper.go ApplySidecarHooks,
 * virtwrap/converter/translate
 */
import {
  devicesOf,
  interfacesOf,
  parseDomainSpec,
  withDevices,
  withDevicesNamed,
  withInterfaces,
} from '../lab/domain-spec.ts';
import { childNamed, type GoElement, leaf, node, parseGoXml, toGoXml } from '../lab/go-xml.ts';

export interface Launcher {
  readonly hook: (domainXml: string) => Promise<string>;
  /** Defines a domain in libvirt, and returns libvirt's INACTIVE copy. */
  readonly define: (domainXml: string) => Promise<string>;
  /** Number of interfaces that pass A reserves (`placeholderCount`). If 0, there is no pass A. */
  readonly placeholders: number;
  /** Whether `qemu:commandline` survives a pass, as in KubeVirt after 1.9. */
  readonly keepsCommandline: boolean;
}

export interface Pass {
  readonly input: string;
  readonly answer: string;
}

const QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0';

/** Total number of interfaces that a domain has room for. */
const RESERVED_INTERFACES = 4;

/**
 * Number of placeholders next to this many interfaces of a VMI.
 *
 * Source: calculateHotplugPortCountV1
 */
export const placeholderCount = (interfaces: number): number =>
  interfaces === 0 ? 0 : Math.max(0, RESERVED_INTERFACES - interfaces);

/**
 * Runs passes A and B, and pass C if root ports are needed beyond the placeholders. The VM runs the
 * last reply.
 *
 * @param spec the domain that virt-launcher created from the VMI
 */
export async function defineInPasses(spec: GoElement, launcher: Launcher): Promise<Pass[]> {
  const { placeholders } = launcher;
  const passes: Pass[] = [];
  const define = async (wanted: GoElement) => {
    const input = toGoXml(wanted);
    const answer = await launcher.hook(input);
    passes.push({ input, answer });
    const inLibvirt = devicesOf(parseDomainSpec(await launcher.define(answer)));
    return { answer, inLibvirt };
  };

  let current = spec;
  if (placeholders > 0) {
    const reserved = Array.from({ length: placeholders }, (_, index) => placeholder(index));
    const passA = await define(withInterfaces(spec, [...interfacesOf(spec), ...reserved]));
    current = withInterfaces(withDevices(spec, passA.inLibvirt), interfacesOf(spec));
  }
  const passB = await define(current);
  current = understood(passB.answer, launcher);
  if (placeholders === 0) current = withDevices(current, passB.inLibvirt);
  const due = rootPortsDue(spec, placeholders);
  if (due > 0) await define(withRootPorts(current, due));
  return passes;
}

const GIB = 1024 ** 3;

/** Source: calculateExtraControllerCount, calculateHotplugPortCountV2 */
function rootPortsDue(spec: GoElement, placeholders: number): number {
  const isLarge = Number(childNamed(spec, 'memory')?.text) > 2 * GIB;
  const [total, least] = isLarge ? [16, 6] : [8, 3];
  return Math.max(0, Math.max(total - pciDevices(spec), least) - placeholders);
}

/** Devices that need a root port each. Source: converter/pci-placement.go iteratePCIAddresses */
function pciDevices(spec: GoElement): number {
  return devicesOf(spec).children.filter((device) => {
    const { bus, model, type } = device.attributes;
    switch (device.name) {
      case 'interface':
      case 'watchdog':
      case 'rng':
      case 'memballoon':
        return true;
      case 'controller':
        return model !== 'pcie-root';
      case 'disk':
        return childNamed(device, 'target')?.attributes['bus'] === 'virtio';
      case 'input':
        return bus === 'virtio';
      case 'hostdev':
        return type === 'pci';
      default:
        return false;
    }
  }).length;
}

/** A hook's reply as virt-launcher uses it further. */
export function understood(
  answer: string,
  { keepsCommandline }: Pick<Launcher, 'keepsCommandline'>,
): GoElement {
  const spec = parseDomainSpec(answer);
  const commandline = keepsCommandline ? commandlineOf(parseGoXml(answer)) : null;
  if (commandline === null) return spec;
  const children = [...spec.children, ...(commandline.children.length > 0 ? [commandline] : [])];
  return { ...spec, attributes: { ...spec.attributes, 'xmlns:qemu': QEMU }, children };
}

/**
 * Everything in libvirt's QEMU namespace that is on a command line, with the prefix that
 * virt-launcher writes.
 */
function commandlineOf(domain: GoElement): GoElement | null {
  const local = (element: GoElement, scope: GoElement) => {
    const [prefix = '', name] = element.name.split(':');
    const uri = element.attributes[`xmlns:${prefix}`] ?? scope.attributes[`xmlns:${prefix}`];
    return uri === QEMU ? name : undefined;
  };
  const lines = domain.children.filter((child) => local(child, domain) === 'commandline');
  if (lines.length === 0) return null;
  const of = (kind: string) =>
    lines.flatMap((line) =>
      line.children
        .filter((child) => local(child, domain) === kind)
        .map(({ attributes }) => leaf(`qemu:${kind}`, '', attributes)),
    );
  return node('qemu:commandline', {}, ...of('env'), ...of('arg'));
}

/**
 * Elements that virt-launcher adds for a pass, so that libvirt reserves ports for interfaces that
 * are plugged in later.
 */
function placeholder(index: number): GoElement {
  return node(
    'interface',
    { type: 'ethernet' },
    leaf('source', ''),
    node('target', { dev: `placeholder-${index}`, managed: 'no' }),
    node('model', { type: 'virtio-non-transitional' }),
    node('alias', { name: `placeholder-${index}` }),
  );
}

/**
 * Ports with the next indices, after the other controllers.
 *
 * Source: appendPCIeRootPortControllers
 */
function withRootPorts(spec: GoElement, count: number): GoElement {
  const devices = devicesOf(spec);
  const controllers = devices.children.filter(({ name }) => name === 'controller');
  const used = controllers.filter(({ attributes }) => attributes['type'] === 'pci');
  const next = Math.max(0, ...used.map(({ attributes }) => Number(attributes['index']))) + 1;
  const ports = Array.from({ length: count }, (_, i) =>
    node('controller', { type: 'pci', index: String(next + i), model: 'pcie-root-port' }),
  );
  return withDevices(spec, withDevicesNamed(devices, 'controller', [...controllers, ...ports]));
}

/**
 * What libvirt's INACTIVE copy adds: a PCI address and a MAC address for every interface without,
 * one slot after the other.
 *
 * Source: libvirt qemu_domain_address.c, virDomainNetGenerateMAC
 */
export async function emulatedLibvirt(domainXml: string): Promise<string> {
  const domain = parseGoXml(domainXml);
  let bus = 0;
  const interfaces = interfacesOf(domain).map((one) => {
    bus += 1;
    const has = (name: string) => one.children.some((child) => child.name === name);
    const slot = { type: 'pci', domain: '0x0000', bus: `0x0${bus}`, slot: '0x00', function: '0x0' };
    const made = [
      ...(has('mac') ? [] : [node('mac', { address: `52:54:00:00:00:0${bus}` })]),
      ...(has('address') ? [] : [node('address', slot)]),
    ];
    return { ...one, children: [...one.children, ...made] };
  });
  return toGoXml(withInterfaces(domain, interfaces));
}
