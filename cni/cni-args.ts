import { type Decoder, either, show, string } from '../shared/decode.ts';
import { BindingError } from '../shared/errors.ts';
import { cidr, ipAddress, unicastMac } from './address.ts';

/** What CNI_ARGS says that matters here; null where it says nothing. */
export interface CniArgs {
  readonly podNamespace: string | null;
  readonly mac: string | null;
}

/** Keys that Kubernetes' runtimes and Multus send, with what their values must be. All others need IgnoreUnknown. */
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
 * Reads CNI_ARGS, `KEY=value;KEY=value`.
 *
 * @throws {BindingError} INVALID_ENVIRONMENT
 * Source: libcni pkg/types/args.go, in whose words
 */
export function parseCniArgs(text: string): CniArgs {
  const values = new Map<string, string>();
  for (const pair of text === '' ? [] : text.split(';')) {
    const [key, value, ...more] = pair.split('=');
    if (key === undefined || value === undefined || more.length > 0) {
      throw invalid(`ARGS: invalid pair ${show(pair)}`);
    }
    // The first is the runtime's own; a pod's annotation must not be able to put another behind it.
    if (values.has(key)) throw invalid(`ARGS: ${show(key)} is there twice`);
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
    podNamespace: values.get('K8S_POD_NAMESPACE') || null,
    mac: values.get('MAC')?.toLowerCase() || null,
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
