import { array, fields, integer, object, optional, string, unset } from '../../shared/decode.ts';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { get, type JsonObject } from '../../shared/json.ts';
import { unicastMac } from '../../shared/mac.ts';
import { NO_DHCP_OPTIONS, type VmiDhcpOptions } from '../services/guest-network.ts';
import { decodeNetworkStatus, decodeNetworks, indexNetworks, type VmiNetwork } from './network.ts';

/** Annotation of the VMI that asks for a cloud-init network config. */
export const NETWORK_CONFIG_ANNOTATION = 'tapwire.io/network-config';

/** What a VMI asks the guest services for. */
export interface GuestOptions {
  /** Empty if unset. */
  readonly subdomain: string;
  /** Value of the annotation; null if unset. */
  readonly networkConfig: string | null;
  /** All interfaces with a name and a network, whatever their binding. */
  readonly interfaces: readonly InterfaceOptions[];
  /** Sentences for the administrator. */
  readonly warnings: readonly string[];
}

export interface InterfaceOptions {
  readonly name: string;
  readonly network: VmiNetwork;
  readonly options: VmiDhcpOptions;
  /** MAC address in canonical form; null if unset or invalid. */
  readonly mac: string | null;
}

const MAX_WARNINGS = 10;

const decodeDhcpOptions = optional(
  fields({
    bootFileName: optional(string, ''),
    tftpServerName: optional(string, ''),
    ntpServers: optional(array(string), []),
    privateOptions: optional(array(fields({ option: integer(0, 255), value: optional(string, '') })), []),
  }),
  NO_DHCP_OPTIONS,
);
const decodeMac = unset(unicastMac, null);
const decodeInterfaces = optional(array(object), []);

/**
 * Reads what a VMI asks the guest services for. Never rejects an interface: a VM that starts
 * without guest services also starts with them. An option that cannot be read counts as unset.
 *
 * @throws {BindingError} INVALID_VMI if the VMI is not JSON, or its lists of networks or interfaces
 *   are invalid
 * Source: kubevirt staging/src/kubevirt.io/api/core/v1/schema.go
 */
export function parseGuestOptions(bytes: Uint8Array): GuestOptions {
  const vmi = parse(bytes);
  const text = (...path: readonly string[]) => {
    const value = get(vmi, ...path);
    return typeof value === 'string' ? value : null;
  };
  return {
    subdomain: text('spec', 'subdomain') ?? '',
    networkConfig: text('metadata', 'annotations', NETWORK_CONFIG_ANNOTATION),
    ...decodeAll(vmi),
  };
}

/** Does not quote the VMI, which may contain cloud-init data. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new BindingError('INVALID_VMI', 'Cannot read the VMI: it is not JSON in UTF-8');
  }
}

function decodeAll(vmi: unknown): Pick<GuestOptions, 'interfaces' | 'warnings'> {
  try {
    const networks = indexNetworks(
      decodeNetworks(get(vmi, 'spec', 'networks'), '$.spec.networks'),
      decodeNetworkStatus(get(vmi, 'status'), '$.status'),
    );
    const path = '$.spec.domain.devices.interfaces';
    const sources = decodeInterfaces(get(vmi, 'spec', 'domain', 'devices', 'interfaces'), path);
    return decodeEach(sources, networks, path);
  } catch (error) {
    if (!(error instanceof BindingError)) throw error;
    throw new BindingError('INVALID_VMI', error.message, { cause: error });
  }
}

/** If several interfaces have the same name, the first one counts. */
function decodeEach(
  sources: readonly JsonObject[],
  networks: ReadonlyMap<string, VmiNetwork>,
  path: string,
): Pick<GuestOptions, 'interfaces' | 'warnings'> {
  const interfaces = new Map<string, InterfaceOptions>();
  const warnings: string[] = [];
  for (const [index, source] of sources.entries()) {
    const name = get(source, 'name');
    const network = typeof name === 'string' ? networks.get(name) : undefined;
    // KubeVirt does not render an interface that is to be removed.
    if (typeof name !== 'string' || network === undefined || get(source, 'state') === 'absent') continue;
    if (interfaces.has(name)) continue;
    const read = <T>(decode: (value: unknown, path: string) => T, key: string, fallback: T): T => {
      try {
        return decode(get(source, key), `${path}[${index}].${key}`);
      } catch (error) {
        if (warnings.length < MAX_WARNINGS) warnings.push(`${messageOf(error)}; the guest does without it`);
        return fallback;
      }
    };
    const options = read<VmiDhcpOptions>(decodeDhcpOptions, 'dhcpOptions', NO_DHCP_OPTIONS);
    interfaces.set(name, { name, network, options, mac: read(decodeMac, 'macAddress', null) });
  }
  return { interfaces: [...interfaces.values()], warnings };
}
