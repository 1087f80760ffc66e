/** Ethernet frames as hex, as `frames.ts` sends and receives them. */

/** Digits of the shortest frame, without its checksum. */
const MIN_DIGITS = 2 * 60;
/** A station of no test. */
const SOMEBODY = '0200000000fe';

/** A frame from outside. `etherType` and `payload` are hex. */
const frameTo = (mac: string, etherType: string, payload: string): string =>
  `${mac.replaceAll(':', '')}${SOMEBODY}${etherType}${payload}`.padEnd(MIN_DIGITS, '0');

/** Frames to groups of which a link without allmulticast receives none, by what they are for. */
export const MULTICAST: Readonly<Record<string, string>> = {
  LLDP: frameTo('01:80:c2:00:00:0e', '88cc', '0207'),
  'mDNS over IPv4': frameTo('01:00:5e:00:00:fb', '0800', '4500'),
  'mDNS over IPv6': frameTo('33:33:00:00:00:fb', '86dd', '6000'),
  'neighbour solicitation': frameTo('33:33:ff:00:00:50', '86dd', '6000'),
};

/** Whether a frame is an IPv6 router advertisement. */
export const isAdvertisement = (frame: string): boolean =>
  /^.{24}86dd.{12}3a/.test(frame) && frame.slice(2 * 54, 2 * 55) === '86';
