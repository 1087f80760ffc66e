import { BindingError } from '../../../shared/errors.ts';
import { listSome } from '../../../shared/list-some.ts';
import { ARPHRD_ETHER } from '../../../shared/rtnetlink/link.ts';
import type { Attachment } from './attachment.ts';
import type { End, Ends } from './ends.ts';

/**
 * Returns the pod link of an attachment. Rejects a link that cannot carry a guest's frames.
 *
 * @throws {BindingError} LINK_MISSING, LINK_UNSUPPORTED
 */
export function requirePodLink({ podLink, tap }: Attachment, { pod, links }: Ends): End {
  if (pod === null) {
    throw new BindingError(
      'LINK_MISSING',
      `Cannot wire "${tap}": no pod link "${podLink}"; its network must come before this attachment`,
      { details: `links seen: ${listSome(links.map(({ ifname }) => ifname))}` },
    );
  }
  const { link } = pod;
  if (link.type !== ARPHRD_ETHER || link.layer === 'L3') {
    const kind = link.kind ?? `ARPHRD ${link.type}`;
    throw new BindingError(
      'LINK_UNSUPPORTED',
      `Cannot wire "${tap}" to "${podLink}": it does not carry Ethernet frames (${link.layer === 'L3' ? `${kind} in L3 mode` : kind}); ` +
        'use a veth, macvlan, host-device or SR-IOV network, or the passt binding',
    );
  }
  return pod;
}
