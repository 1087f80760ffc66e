import { childNamed, type GoElement, node, parseGoXml } from './go-xml.ts';

/** Children that KubeVirt's structs have, in the order in which they are written. Source: kubevirt virtwrap/api/schema.go */
const DOMAIN_FIELDS =
  'name uuid memory currentMemory maxMemory memoryBacking os sysinfo devices clock resource metadata features cpu vcpu vcpus cputune numatune iothreads launchSecurity on_reboot';
const DEVICE_FIELDS =
  'emulator interface channel hostdev panic controller video graphics memballoon disk input serial console watchdog rng filesystem redirdev sound tpm vsock audio';
const INTERFACE_FIELDS =
  'address source target model mac mtu bandwidth boot link filterref alias driver rom acpi backend portForward';

/**
 * Reads a domain as virt-launcher reads a hook's answer or libvirt's copy: into its own structs. What these do not know is
 * lost, `xmlns:qemu` too, and devices are grouped by kind.
 */
export function parseDomainSpec(xml: string): GoElement {
  const domain = parseGoXml(xml);
  const { type = '' } = domain.attributes;
  return { ...keepFields({ ...domain, attributes: { type } }, DOMAIN_FIELDS, toDomainField), text: '' };
}

function toDomainField(child: GoElement): GoElement {
  return child.name === 'devices' ? keepFields(child, DEVICE_FIELDS, toDevice) : child;
}

function toDevice(device: GoElement): GoElement {
  return device.name === 'interface' ? keepFields(device, INTERFACE_FIELDS, toInterfaceField) : device;
}

/** `name` of a driver and `source` are written even when they are empty. */
function toInterfaceField(child: GoElement): GoElement {
  return child.name === 'driver' ? { ...child, attributes: { name: '', ...child.attributes } } : child;
}

function keepFields(element: GoElement, names: string, convert: (child: GoElement) => GoElement): GoElement {
  const children = names
    .split(' ')
    .flatMap((name) => element.children.filter((child) => child.name === name))
    .map(convert);
  return { ...element, children, text: '' };
}

/** The devices of a domain spec. */
export function devicesOf(domain: GoElement): GoElement {
  return childNamed(domain, 'devices') ?? node('devices', {});
}

export function interfacesOf(domain: GoElement): GoElement[] {
  return devicesOf(domain).children.filter(({ name }) => name === 'interface');
}
