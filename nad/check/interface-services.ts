import { isIPv4 } from 'node:net';
import { show } from '../../shared/decode.ts';
import { get, isObject } from '../../shared/json.ts';
import { type Finding, failure } from './finding.ts';
import type { Interface, Vm } from './vm.ts';

/** A field of an interface, and why KubeVirt rejects its value. */
interface Defect {
  readonly field: string;
  readonly reason: string;
}

/**
 * Finds ports and DHCP options that KubeVirt rejects when the VM is created.
 *
 * Source: kubevirt pkg/network/admitter/netiface.go
 */
export function* checkInterfaceServices({ title, interfaces, networks, at }: Vm): Iterable<Finding> {
  const ofPod = new Set(networks.filter(({ pod }) => pod).map(({ name }) => name));
  for (const [i, one] of interfaces.entries()) {
    // KubeVirt checks ports only on the pod network.
    const defects = [
      ...(ofPod.has(one.name) ? [...portDefects(one), ...rangeDefects(one)] : []),
      ...dhcpDefects(one),
    ];
    for (const { field, reason } of defects) {
      const message = `${title}: interface "${one.name}": ${field} ${reason}`;
      yield failure(at(`.domain.devices.interfaces[${i}].${field}`), message);
    }
  }
}

const isPort = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
const isProtocol = (value: unknown): boolean => value === 'TCP' || value === 'UDP';
/** Source: k8s.io/apimachinery pkg/util/validation, IsValidPortName */
const isPortName = (name: string): boolean =>
  /^(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(name) && /[a-z]/.test(name);

function* listOf(fields: Interface['fields'], key: string): Iterable<readonly [string, unknown]> {
  const list = fields[key];
  if (Array.isArray(list)) yield* list.map((one, j) => [`${key}[${j}]`, one] as const);
}

function* portDefects({ fields }: Interface): Iterable<Defect> {
  const names = new Set<unknown>();
  for (const [path, entry] of listOf(fields, 'ports')) {
    const [port, protocol, name] = [get(entry, 'port'), get(entry, 'protocol'), get(entry, 'name') ?? ''];
    if (!isPort(port)) yield { field: `${path}.port`, reason: `must be in 1..65535, got ${show(port)}` };
    if (protocol !== undefined && protocol !== '' && !isProtocol(protocol)) {
      yield { field: `${path}.protocol`, reason: `must be "TCP" or "UDP", got ${show(protocol)}` };
    }
    if (name === '') continue;
    if (names.has(name)) yield { field: `${path}.name`, reason: `${show(name)} appears twice; change one` };
    if (!isPortName(String(name))) {
      const want = 'at most 15 lower-case letters, digits and single "-", with at least one letter';
      yield { field: `${path}.name`, reason: `${show(name)} is rejected; want ${want}` };
    }
    names.add(name);
  }
}

const MAX_RANGES = 10;

function* rangeDefects({ fields }: Interface): Iterable<Defect> {
  const ranges = [...listOf(fields, 'portRanges')];
  if (ranges.length === 0) return;
  if (fields['ports'] !== undefined)
    yield { field: 'portRanges', reason: 'cannot be combined with ports; remove one' };
  if (fields['masquerade'] === undefined)
    yield { field: 'portRanges', reason: 'needs masquerade; remove it' };
  if (ranges.length > MAX_RANGES)
    yield { field: 'portRanges', reason: `has more than ${MAX_RANGES} ranges; merge some` };
  for (const [path, range] of ranges) {
    const [start, end, protocol] = [get(range, 'start'), get(range, 'end'), get(range, 'protocol')];
    if (!isProtocol(protocol))
      yield { field: `${path}.protocol`, reason: `must be "TCP" or "UDP", got ${show(protocol)}` };
    if (!isPort(start) || !isPort(end) || Number(start) > Number(end)) {
      yield {
        field: path,
        reason: `must go from a port in 1..65535 to the same or a higher port, got ${show([start, end])}`,
      };
    }
  }
}

function* dhcpDefects({ fields }: Interface): Iterable<Defect> {
  const options = fields['dhcpOptions'];
  if (!isObject(options)) return;
  for (const [path, server] of listOf(options, 'ntpServers')) {
    if (typeof server === 'string' && isIPv4(server)) continue;
    yield { field: `dhcpOptions.${path}`, reason: `must be an IPv4 address, got ${show(server)}` };
  }
  const seen = new Set<unknown>();
  for (const [path, entry] of listOf(options, 'privateOptions')) {
    const option = get(entry, 'option');
    const field = `dhcpOptions.${path}.option`;
    if (seen.has(option)) yield { field, reason: `${show(option)} appears twice; change one` };
    if (!Number.isInteger(option) || Number(option) < 224 || Number(option) > 254) {
      yield { field, reason: `must be in 224..254, got ${show(option)}` };
    }
    seen.add(option);
  }
}
