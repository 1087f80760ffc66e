import { native, reasonOf } from '../../shared/native/native.ts';
import { formatAddress } from '../../shared/rtnetlink/address.ts';
import { ipv6Bytes } from '../../shared/rtnetlink/neighbour-resolution.ts';

/** How long to wait for replies, in ms. A router on the node takes less than one. */
const REPLY_TIMEOUT = 300;
const ADDRESS_BYTES = 16;
const EACCES = 13;

/** Link-local addresses of routers in the order of their replies, or why there are none. */
export type Replies = { readonly routers: readonly string[] } | { readonly reason: string };

/**
 * Asks the routers of a link for their link-local addresses. Sends one frame, an echo request.
 *
 * @param netns descriptor of the netns
 * @param source link-local address of the link, not tentative
 * @param most number of routers after which not to wait for others
 */
export async function askRouters(
  netns: number,
  ifindex: number,
  source: string,
  most: number,
): Promise<Replies> {
  try {
    const addresses = await native.askRouters(netns, ifindex, ipv6Bytes(source), most, REPLY_TIMEOUT);
    const routers = Array.from({ length: addresses.length / ADDRESS_BYTES }, (_, i) =>
      formatAddress(addresses.subarray(i * ADDRESS_BYTES, (i + 1) * ADDRESS_BYTES)),
    );
    return routers.length > 0 ? { routers } : { reason: 'no router replies to an echo request' };
  } catch (error) {
    const isForbidden = (error as NodeJS.ErrnoException).errno === EACCES;
    const advice = isForbidden ? "; net.ipv4.ping_group_range must include Tapwire's group" : '';
    return { reason: `${reasonOf(error)}${advice}` };
  }
}
