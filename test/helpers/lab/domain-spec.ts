import { childNamed, type GoElement, leaf, node, parseGoXml, withChildren } from './go-xml.ts';

/**
 * Child elements of KubeVirt's structs, in the order in which they are written.
 *
 * Source: kubevirt virtwrap/api/schema.go
 */
const DOMAIN_FIELDS =
  'name uuid memory currentMemory maxMemory memoryBacking os sysinfo devices clock resource metadata features cpu vcpu vcpus cputune numatune iothreads launchSecurity on_reboot';
const DEVICE_FIELDS =
  'emulator interface channel hostdev panic controller video graphics memballoon disk input serial console watchdog rng filesystem redirdev sound tpm vsock audio';

/** The attributes and children of each child element's struct; null means all. */
interface Fields {
  readonly [child: string]: { readonly attributes: string; readonly children?: Fields } | null;
}

const INTERFACE: Fields = {
  address: null,
  source: { attributes: 'network dev bridge mode', children: { address: null } },
  target: { attributes: 'dev managed' },
  model: { attributes: 'type' },
  mac: { attributes: 'address' },
  mtu: { attributes: 'size' },
  bandwidth: { attributes: '' },
  boot: { attributes: 'order' },
  link: { attributes: 'state' },
  filterref: { attributes: 'filter' },
  alias: { attributes: 'name' },
  driver: { attributes: 'name queues iommu' },
  rom: { attributes: 'enabled' },
  acpi: { attributes: 'index' },
  backend: { attributes: 'type logFile' },
  portForward: {
    attributes: 'proto address dev',
    children: { range: { attributes: 'start end to exclude' } },
  },
};

const MEMORY_BACKING: Fields = {
  hugepages: { attributes: '', children: { page: { attributes: 'size unit nodeset' } } },
  source: { attributes: 'type' },
  access: { attributes: 'mode' },
  allocation: { attributes: 'mode' },
  nosharepages: { attributes: '' },
};

/**
 * Reads a domain into virt-launcher's own structs, as it does with a hook's reply and libvirt's
 * copy. Unknown elements are lost, `xmlns:qemu` and all of its elements among them, and devices are
 * grouped by kind.
 */
export function parseDomainSpec(xml: string): GoElement {
  const domain = parseGoXml(xml);
  const { type = '' } = domain.attributes;
  return { ...grouped({ ...domain, attributes: { type } }, DOMAIN_FIELDS, toDomainField), text: '' };
}

function toDomainField(child: GoElement): GoElement {
  if (child.name === 'devices') return grouped(child, DEVICE_FIELDS, toDevice);
  return child.name === 'memoryBacking' ? known(child, MEMORY_BACKING) : child;
}

function toDevice(device: GoElement): GoElement {
  if (device.name !== 'interface') return device;
  const { type = '', trustGuestRxFilters } = device.attributes;
  const withSource = childNamed(device, 'source')
    ? device
    : { ...device, children: [...device.children, leaf('source', '')] };
  return {
    ...known(withSource, INTERFACE),
    attributes: { type, ...(trustGuestRxFilters ? { trustGuestRxFilters } : {}) },
  };
}

/** `source`, and the `name` of a driver, are written even if they are empty. */
function known(element: GoElement, fields: Fields): GoElement {
  const children = Object.keys(fields).flatMap((name) =>
    element.children
      .filter((child) => child.name === name)
      .map((child): GoElement => {
        const shape = fields[name];
        if (shape === null || shape === undefined) return child;
        const kept = Object.entries(child.attributes).filter(([key]) =>
          shape.attributes.split(' ').includes(key),
        );
        const attributes = { ...(name === 'driver' ? { name: '' } : {}), ...Object.fromEntries(kept) };
        return { ...known(child, shape.children ?? {}), attributes };
      }),
  );
  return { ...element, children, text: '' };
}

function grouped(element: GoElement, names: string, convert: (child: GoElement) => GoElement): GoElement {
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

/** The same domain with these interfaces in place of all its interfaces. */
export function withInterfaces(domain: GoElement, interfaces: readonly GoElement[]): GoElement {
  return withDevices(domain, withDevicesNamed(devicesOf(domain), 'interface', interfaces));
}

/**
 * The devices with these in place of all of this name. If there were none, they go where their
 * struct has them.
 */
export function withDevicesNamed(
  devices: GoElement,
  name: string,
  replacements: readonly GoElement[],
): GoElement {
  if (childNamed(devices, name) !== undefined) return withChildren(devices, name, replacements);
  const fields = DEVICE_FIELDS.split(' ');
  const later = fields.slice(fields.indexOf(name) + 1);
  const at = devices.children.findIndex((child) => later.includes(child.name));
  const position = at === -1 ? devices.children.length : at;
  return { ...devices, children: devices.children.toSpliced(position, 0, ...replacements) };
}

export function withDevices(domain: GoElement, devices: GoElement): GoElement {
  return withChildren(domain, 'devices', [devices]);
}
