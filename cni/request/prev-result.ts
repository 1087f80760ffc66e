import {
  array,
  type Decoder,
  foldedFields,
  integer,
  mismatch,
  object,
  oneOf,
  optional,
  string,
  unset,
} from '../../shared/decode.ts';
import { cidr, ipAddress } from './address.ts';
import { isSameForm, SUPPORTED_VERSIONS } from './version.ts';

/** The result of the plugins before Tapwire; on CHECK, that of the whole chain. */
export interface PrevResult {
  /** The result as received, so that it can be passed on unchanged. */
  readonly source: Readonly<Record<string, unknown>>;
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
}

export interface ResultInterface {
  readonly name: string;
  /** Empty if the plugin did not report it. */
  readonly mac: string;
  /** Path of the netns; empty if the interface is on the node. */
  readonly sandbox: string;
}

export interface ResultIp {
  readonly address: string;
  /** Index in `interfaces`; null if the plugin did not report it. */
  readonly interface: number | null;
}

const index = integer(0, 2 ** 31 - 1);

/** Decodes a list of objects, each of which may be null: in Go, they are pointers. */
const list = <T>(shape: { readonly [K in keyof T]: Decoder<T[K]> }) =>
  optional(array(optional(foldedFields(shape), null)), []);

const decodeFields = foldedFields({
  cniVersion: optional(string, null),
  interfaces: list({
    name: optional(string, ''),
    mac: optional(string, ''),
    mtu: unset(index, null, -1),
    sandbox: optional(string, ''),
    socketPath: optional(string, null),
    pciID: optional(string, null),
  }),
  ips: list({
    version: unset(oneOf('4', '6'), null),
    interface: unset(index, null, -1),
    address: cidr,
    gateway: unset(ipAddress, null),
  }),
  routes: list({ dst: cidr, gw: unset(ipAddress, null) }),
  dns: optional(object, null),
});

/**
 * Decodes the prevResult of a configuration of that version.
 *
 * @throws {BindingError} INVALID_CONFIG; also if the cniVersion of the result has another form than
 * the version (`isSameForm`), which is always a mistake
 * Source: CNI SPEC §5, "Success"; libcni pkg/types/{040,100}
 */
export const prevResult =
  (version: string): Decoder<PrevResult> =>
  (value, path) => {
    const source = object(value, path);
    const { cniVersion, interfaces, ips } = decodeFields(source, path);
    const isKnown = SUPPORTED_VERSIONS.some((known) => known === cniVersion);
    if (cniVersion && !(isKnown && isSameForm(cniVersion, version))) {
      throw mismatch(`${path}.cniVersion`, `a result of the form of "${version}"`, cniVersion);
    }
    return {
      source,
      // Addresses refer to interfaces by index, so a null interface keeps its place.
      interfaces: interfaces.map((one) => one ?? { name: '', mac: '', sandbox: '' }),
      ips: ips.flatMap((one) => one ?? []),
    };
  };
