import {
  array,
  type Decoder,
  fields,
  integer,
  mismatch,
  optional,
  string,
  unset,
} from '../../shared/decode.ts';
import { unicastMac } from '../../shared/mac.ts';

/** One interface in the VMI's spec. */
export interface InterfaceSpec {
  readonly name: string;
  /** Device model, such as `e1000e`; null means virtio, in the form that suits the machine. */
  readonly model: string | null;
  /** MAC address in the canonical form that libvirt reads; null if unset. */
  readonly mac: string | null;
  readonly pciAddress: PciAddress | null;
  /** Index that the guest sees by ACPI; 0 if unset. */
  readonly acpiIndex: number;
  readonly bootOrder: number | null;
  readonly linkDown: boolean;
  /** Unvalidated: KubeVirt validates only the ports of the pod network. */
  readonly ports: readonly { readonly protocol: string; readonly port: number }[];
}

/** Each part in the hexadecimal digits of the VMI. */
export interface PciAddress {
  readonly domain: string;
  readonly bus: string;
  readonly slot: string;
  readonly function: string;
}

const MAX_ACPI_INDEX = 16_383; // QEMU ONBOARD_INDEX_MAX

const name: Decoder<string> = (value, path) => {
  if (string(value, path) === '') throw mismatch(path, 'a name', value);
  return string(value, path);
};

const model: Decoder<string> = (value, path) => {
  if (!/^[\w-]{1,64}$/.test(string(value, path)))
    throw mismatch(path, 'a device model such as "virtio"', value);
  return string(value, path);
};

const pciAddress: Decoder<PciAddress> = (value, path) => {
  const parts = /^([\da-f]{4}):([\da-f]{2}):([01][\da-f])\.([0-7])$/i.exec(string(value, path));
  const [, domain, bus, slot, fn] = parts ?? [];
  if (domain === undefined || bus === undefined || slot === undefined || fn === undefined) {
    throw mismatch(path, 'a PCI address such as "0000:02:02.0"', value);
  }
  return { domain, bus, slot, function: fn };
};

const decodeFields = fields({
  name,
  state: optional(string, ''),
  model: unset(model, null),
  macAddress: unset(unicastMac, null),
  pciAddress: unset(pciAddress, null),
  acpiIndex: optional(integer(0, MAX_ACPI_INDEX), 0),
  bootOrder: optional(integer(1, 2 ** 31 - 1), null),
  ports: optional(
    array(fields({ protocol: optional(string, ''), port: optional(integer(-(2 ** 31), 2 ** 31 - 1), 0) })),
    [],
  ),
});

/** Decodes an element of `spec.domain.devices.interfaces`. @throws {BindingError} INVALID_CONFIG */
export const decodeInterface: Decoder<InterfaceSpec> = (value, path) => {
  const { state, macAddress, ...spec } = decodeFields(value, path);
  return { ...spec, mac: macAddress, linkDown: state === 'down' };
};
