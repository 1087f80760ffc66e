import { decodeNetConf, type TapConf } from './config.ts';

/** The keys of a NAD that decide what may pass between guest, pod and network. */
export type AskedPassage = Pick<TapConf, 'guestAddresses' | 'spoofGuard'>;

/**
 * Returns these keys of a configuration; null if every frame passes, or if it is invalid: STATUS is
 * not about the configuration.
 */
export function askedPassageOf(conf: unknown): AskedPassage | null {
  try {
    const decoded = decodeNetConf(conf);
    if (decoded.binding !== 'tap') return null;
    const { guestAddresses, spoofGuard } = decoded;
    return guestAddresses === 'network' && spoofGuard === 'off' ? null : { guestAddresses, spoofGuard };
  } catch {
    return null;
  }
}

/** Writes the keys that ask for something, such as `"spoofGuard": "mac"`. */
export const describeAsked = ({ guestAddresses, spoofGuard }: AskedPassage): string =>
  [
    ...(guestAddresses === 'network' ? [] : [`"guestAddresses": "${guestAddresses}"`]),
    ...(spoofGuard === 'off' ? [] : [`"spoofGuard": "${spoofGuard}"`]),
  ].join(' and ');
