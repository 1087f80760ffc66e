import { type Lower, readLower } from '../../cni/kernel/lower-device.ts';
import { Rtnetlink } from '../../shared/netns/netns.ts';
import { allLinks } from '../../shared/rtnetlink/link.ts';

/** A lower device, and what decides on its frames. */
export interface LowerState extends Lower {
  /** Kind of the link that it belongs to, such as `bridge`; null if it belongs to none. */
  readonly masterKind: string | null;
}

/**
 * Reads a lower device; null if there is none.
 *
 * @param isForOne whether a VM takes all of the device
 * @throws {BindingError} KERNEL_REFUSED, TRY_AGAIN
 */
export async function readLowerState(ifname: string, isForOne: boolean): Promise<LowerState | null> {
  const lower = await readLower(ifname, isForOne);
  if (lower === null) return null;
  const { master } = lower.link;
  return { ...lower, masterKind: master === null ? null : await readKind(master) };
}

/** Returns the kind of a link; "unknown" if it was deleted meanwhile, which makes another event. */
async function readKind(ifindex: number): Promise<string> {
  const rtnetlink = new Rtnetlink(null);
  try {
    const [links] = await rtnetlink.ask(allLinks);
    return links.find((link) => link.ifindex === ifindex)?.kind ?? 'unknown';
  } finally {
    await rtnetlink.close();
  }
}
