import { attribute } from '../netlink/attribute.ts';
import { NLM_F_CREATE, type Request } from '../netlink/message.ts';
import { AF_INET6, canonicalAddress } from './address.ts';

// linux/rtnetlink.h, linux/neighbour.h
const RTM_NEWNEIGH = 28;
const NDA_DST = 1;
const NTF_USE = 0x1;

/**
 * Makes the kernel ask for the MAC of an IPv6 neighbour whose MAC is unknown (`ip neigh replace
 * ADDRESS dev LINK use`). The solicitation comes from the link-local address of the link.
 */
export const neighbourResolution = (ifindex: number, address: string): Request => ({
  type: RTM_NEWNEIGH,
  flags: NLM_F_CREATE,
  // struct ndmsg: family; ifindex; state, flags and type
  body: [AF_INET6, ifindex, NTF_USE << 16, ...attribute(NDA_DST, ipv6Bytes(address))],
});

/** Encodes an IPv6 address as 16 bytes in network byte order. */
export function ipv6Bytes(address: string): Buffer {
  const [left = [], right = []] = canonicalAddress(address)
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - left.length - right.length).fill('');
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
