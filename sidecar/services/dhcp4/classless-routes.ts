import { isIPv4 } from 'node:net';
import { parseAddress } from '../../../shared/rtnetlink/address.ts';
import type { GuestIpv4, GuestRoute } from '../guest-network.ts';

/** More do not fit into a message. Bounds the comparison of each gateway with each of them. */
const MAX_ROUTES = 300;
const DEFAULT = 'default';

interface Prefix {
  readonly address: string;
  readonly length: number;
}

interface Route extends Prefix {
  readonly gateway: string | null;
}

/** Gateway of the default route; null if there is none. */
export const routerOf = (routes: readonly GuestRoute[]): string | null =>
  routes.find(({ destination }) => destination === DEFAULT)?.gateway ?? null;

/**
 * Encodes the routes in an order in which a client can add them: those on the link, those through
 * a gateway, and a default route last. A gateway that is not on the link, as with an address /32,
 * first gets a route of its own. Null without routes, or with too many.
 *
 * Source: RFC 3442
 */
export function encodeRoutes({ address, prefixLength, routes }: GuestIpv4): Buffer | null {
  if (routes.length > MAX_ROUTES) return null;
  const all = routes.flatMap((route) => parseRoute(route) ?? []);
  const onLink = all.filter(({ gateway, length }) => gateway === null && length > 0);
  const behind = all.filter(({ gateway, length }) => gateway !== null && length > 0);
  const last = all.filter(({ length }) => length === 0).slice(0, 1);
  const near = [{ address, length: prefixLength }, ...onLink];
  const far = new Set([...behind, ...last].flatMap(({ gateway }) => gateway ?? []));
  for (const gateway of far) if (near.some((prefix) => contains(prefix, gateway))) far.delete(gateway);
  const toFar = [...far].map((gateway) => ({ address: gateway, length: 32, gateway: null }));
  const ordered: readonly Route[] = [...onLink, ...toFar, ...behind, ...last];
  return ordered.length === 0 ? null : Buffer.concat(ordered.map(encodeRoute));
}

/** Null for what is not a route of IPv4. */
function parseRoute({ destination, gateway }: GuestRoute): Route | null {
  if (gateway !== null && !isIPv4(gateway)) return null;
  if (destination === DEFAULT) return { address: '0.0.0.0', length: 0, gateway };
  const [address = '', length = '', ...more] = destination.split('/');
  const isValid = isIPv4(address) && /^\d{1,2}$/.test(length) && Number(length) <= 32 && more.length === 0;
  return isValid ? { address, length: Number(length), gateway } : null;
}

function contains({ address, length }: Prefix, other: string): boolean {
  const difference = (parseAddress(address).readUInt32BE() ^ parseAddress(other).readUInt32BE()) >>> 0;
  return difference < 2 ** (32 - length);
}

const encodeRoute = ({ address, length, gateway }: Route): Buffer =>
  Buffer.concat([
    Buffer.from([length]),
    parseAddress(address).subarray(0, Math.ceil(length / 8)),
    parseAddress(gateway ?? '0.0.0.0'),
  ]);
