import { show } from '../../shared/decode.ts';
import { get, isObject } from '../../shared/json.ts';
import { canonicalMac, unicastMac } from '../../shared/mac.ts';
import { INTERFACE_FIELD_SINCE } from '../kubevirt-versions.ts';
import { nearest } from './almost.ts';
import { type Finding, failure, warning } from './finding.ts';
import type { Vm } from './vm.ts';

/** Says what a field wants instead of a value; null if the value is valid. */
type Rule = (value: unknown) => string | null;

const MODELS = ['virtio', 'e1000', 'e1000e', 'igb', 'ne2k_pci', 'pcnet', 'rtl8139'];
const MAX_ACPI_INDEX = 16_383; // QEMU ONBOARD_INDEX_MAX

const text =
  (isRight: (value: string) => boolean, want: string): Rule =>
  (value) =>
    typeof value === 'string' && (value === '' || isRight(value)) ? null : want;

const integer =
  (min: number, max: number): Rule =>
  (value) =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max
      ? null
      : `an integer in ${min}..${max}`;

/**
 * Rules for the fields of an interface. KubeVirt rejects violations when the VM is created;
 * libvirt, QEMU or Tapwire's sidecar reject them when it starts.
 *
 * Source: kubevirt pkg/network/admitter/netiface.go, pkg/util/hardware
 */
const RULES: Readonly<Record<string, Rule>> = {
  name: (value) => (/^[\w-]+$/.test(String(value)) ? null : 'only letters, digits, "-" and "_"'),
  model: text((value) => MODELS.includes(value), `one of ${MODELS.join(', ')}`),
  macAddress: text(isUnicastMac, 'a unicast MAC address of six octets such as "02:00:00:00:00:01"'),
  pciAddress: text(
    (value) => /^[\da-f]{4}:[\da-f]{2}:[01][\da-f]\.[0-7]$/i.test(value),
    'a PCI address such as "0000:81:01.0"',
  ),
  acpiIndex: integer(0, MAX_ACPI_INDEX),
  bootOrder: integer(1, 2 ** 32 - 1),
  tag: text(() => true, 'text'),
  ports: (value) => (Array.isArray(value) ? null : 'a list'),
  dhcpOptions: (value) => (isObject(value) ? null : 'an object'),
};

function isUnicastMac(value: string): boolean {
  try {
    return unicastMac(value, '') !== '';
  } catch {
    return false;
  }
}

/** All fields of an interface in any version of KubeVirt. */
const KNOWN = [
  ...Object.keys(RULES),
  ...['bridge', 'slirp', 'masquerade', 'sriov', 'macvtap', 'passt', 'binding', 'state'],
  ...Object.keys(INTERFACE_FIELD_SINCE),
];

/** Wrong names that people often write, with the right ones. */
const SHORT = { mac: 'macAddress', type: 'model', pci: 'pciAddress' };

const path = (i: number) => `.domain.devices.interfaces[${i}]`;

export function* checkInterfaceFields(vm: Vm): Iterable<Finding> {
  for (const [i, { name, fields }] of vm.interfaces.entries()) {
    const subject = `${vm.title}: interface "${name}"`;
    for (const [field, value] of Object.entries(fields)) {
      const place = vm.at(`${path(i)}.${field}`);
      const want = value === null || !Object.hasOwn(RULES, field) ? null : (RULES[field]?.(value) ?? null);
      if (want !== null)
        yield failure(place, `${subject}: ${field} ${show(value)} is rejected; want ${want}`);
      const meant = KNOWN.includes(field) ? undefined : (get(SHORT, field) ?? nearest(field, KNOWN));
      if (meant !== undefined)
        yield warning(place, `${subject}: KubeVirt has no field "${field}"; want "${meant}"`);
    }
    const { masquerade, macAddress } = fields;
    if (masquerade !== undefined && macAddress === RESERVED_MAC) {
      yield failure(
        vm.at(`${path(i)}.macAddress`),
        `${subject}: KubeVirt reserves macAddress ${show(macAddress)} for masquerade; choose another`,
      );
    }
  }
  yield* checkUnique(vm);
}

/** MAC address that KubeVirt uses itself. Source: kubevirt pkg/network/link/mac.go */
const RESERVED_MAC = '02:00:00:00:00:00';

/** Fields that must differ between the NICs of a VM, with the consequence of equal values. */
const UNIQUE: Readonly<Record<string, string>> = {
  bootOrder: 'KubeVirt rejects that',
  acpiIndex: 'QEMU does not start with that',
  pciAddress: 'libvirt does not start with that',
};

function* checkUnique({ title, interfaces, disks, at }: Vm): Iterable<Finding> {
  const owners = new Map<string, string>(bootOrdersOf(disks));
  for (const [i, { name, fields }] of interfaces.entries()) {
    for (const [field, consequence] of Object.entries(UNIQUE)) {
      const value = fields[field];
      if (value === undefined || value === null || value === '' || value === 0) continue;
      const owner = claim(owners, `${field} ${String(value).toLowerCase()}`, `interface "${name}"`);
      if (owner === undefined) continue;
      const message = `${title}: interface "${name}" and ${owner} have the same ${field} ${show(value)}, and ${consequence}; change one`;
      yield failure(at(`${path(i)}.${field}`), message);
    }
    const mac = typeof fields['macAddress'] === 'string' ? canonicalMac(fields['macAddress']) : null;
    const owner = mac === null ? undefined : claim(owners, `macAddress ${mac}`, `interface "${name}"`);
    if (owner !== undefined) {
      const message = `${title}: interface "${name}" and ${owner} have the same macAddress ${mac}, and Tapwire's sidecar rejects that; change one`;
      yield warning(at(`${path(i)}.macAddress`), message);
    }
  }
}

/** Records the owner of a value. Returns the previous owner, if any. */
function claim(owners: Map<string, string>, value: string, owner: string): string | undefined {
  const before = owners.get(value);
  if (before === undefined) owners.set(value, owner);
  return before;
}

/** Boot orders of disks. NICs and disks share one sequence of numbers. */
function bootOrdersOf(disks: unknown): readonly (readonly [string, string])[] {
  if (!Array.isArray(disks)) return [];
  return disks.flatMap((disk) => {
    const { name, bootOrder } = { ...(disk as { readonly name?: unknown; readonly bootOrder?: unknown }) };
    return bootOrder === undefined || bootOrder === null
      ? []
      : [[`bootOrder ${bootOrder}`, `disk ${show(name)}`] as const];
  });
}
