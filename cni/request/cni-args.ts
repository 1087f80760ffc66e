import { type Decoder, either, show, string } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import { canonicalMac, unicastMac } from '../../shared/mac.ts';
import { cidr, ipAddress } from './address.ts';

/** The pod of a call; null: the runtime did not name it. */
export interface Pod {
  readonly namespace: string | null;
  readonly name: string | null;
}

/** The values in CNI_ARGS that matter here; null if not set. */
export interface CniArgs {
  readonly pod: Pod;
  readonly mac: string | null;
}

/**
 * Keys that Kubernetes' runtimes and Multus send, with their decoders. All others need
 * IgnoreUnknown.
 */
const KNOWN: Readonly<Record<string, Decoder<unknown>>> = {
  K8S_POD_NAMESPACE: string,
  K8S_POD_NAME: string,
  K8S_POD_INFRA_CONTAINER_ID: string,
  K8S_POD_UID: string,
  MAC: unicastMac,
  IP: (value, path) => {
    const address = either(ipAddress, cidr, 'IP addresses, with commas between them');
    for (const one of string(value, path).split(',')) address(one, path);
  },
};

/**
 * Keys that the node policy or an administrator trusts: two values for one of them are rejected.
 */
const POD_IDENTITY: readonly string[] = ['K8S_POD_NAMESPACE', 'K8S_POD_NAME'];

/**
 * Parses CNI_ARGS, `KEY=value;KEY=value`. A later pair overrides an earlier one with the same key:
 * thin Multus appends the container runtime's CNI_ARGS to its own, so each key of Kubernetes occurs
 * twice.
 *
 * @throws {BindingError} INVALID_ENVIRONMENT, also if two pairs name different pods
 * Source: libcni pkg/types/args.go, in whose words; Multus pkg/multus (DelegateAdd)
 */
export function parseCniArgs(text: string): CniArgs {
  const values = new Map<string, string>();
  for (const pair of text === '' ? [] : text.split(';')) {
    const [key, value, ...more] = pair.split('=');
    if (key === undefined || value === undefined || more.length > 0) {
      throw invalid(`ARGS: invalid pair ${show(pair)}`);
    }
    const earlier = values.get(key);
    // Otherwise a pod's annotation could append the name of another pod, which the node policy
    // would read.
    if (earlier !== undefined && earlier !== value && POD_IDENTITY.includes(key)) {
      throw invalid(`ARGS: two values of ${key}: ${show(earlier)} and ${show(value)}`);
    }
    values.set(key, value);
  }
  const isLenient = parseBoolean(values.get('IgnoreUnknown') ?? '0');
  const unknown = [...values.keys()].filter((key) => key !== 'IgnoreUnknown' && !Object.hasOwn(KNOWN, key));
  if (unknown.length > 0 && !isLenient) throw invalid(`ARGS: unknown args ${show(unknown)}`);

  for (const [key, decode] of Object.entries(KNOWN)) {
    const value = values.get(key);
    if (value !== undefined && value !== '') decodeOrRefuse(decode, value, key);
  }
  return {
    pod: {
      namespace: values.get('K8S_POD_NAMESPACE') || null,
      name: values.get('K8S_POD_NAME') || null,
    },
    mac: canonicalMac(values.get('MAC') ?? ''),
  };
}

function decodeOrRefuse(decode: Decoder<unknown>, value: string, key: string): void {
  try {
    decode(value, key);
  } catch (cause) {
    throw invalid(`ARGS: ${(cause as Error).message}`);
  }
}

function parseBoolean(value: string): boolean {
  if (/^(1|true)$/i.test(value)) return true;
  if (/^(0|false)$/i.test(value)) return false;
  throw invalid(`ARGS: boolean unmarshal error: invalid input ${value.slice(0, 100)}`);
}

const invalid = (message: string): BindingError =>
  new BindingError('INVALID_ENVIRONMENT', message, { details: 'CNI_ARGS is KEY=value;KEY=value' });
