import { get, isObject } from '../../shared/json.ts';
import { NETWORK_CONFIG_ANNOTATION } from './guest-options.ts';

/** What to keep of a JSON value: all of it, or these members, also of each element of a list. */
type Shape = true | { readonly [key: string]: Shape };

/** All that `parseGuestOptions` reads. Never cloud-init data, which are in `spec.volumes`. */
const SHAPE: Shape = {
  metadata: { annotations: { [NETWORK_CONFIG_ANNOTATION]: true } },
  spec: {
    subdomain: true,
    networks: true,
    domain: { devices: { interfaces: { name: true, state: true, macAddress: true, dhcpOptions: true } } },
  },
  status: { interfaces: { name: true, podInterfaceName: true } },
};

/** Returns the part of a VMI that says what it asks the guest services for, as a VMI. */
export const excerptOf = (vmi: Uint8Array): Uint8Array =>
  Buffer.from(JSON.stringify(pick(JSON.parse(Buffer.from(vmi).toString()), SHAPE) ?? null));

function pick(value: unknown, shape: Shape): unknown {
  if (shape === true) return value;
  if (Array.isArray(value)) return value.map((one) => pick(one, shape));
  if (!isObject(value)) return undefined;
  const kept = Object.entries(shape).map(([key, inner]) => [key, pick(get(value, key), inner)] as const);
  return Object.fromEntries(kept.filter(([, one]) => one !== undefined));
}
