import { messageOf } from '../../../shared/errors.ts';
import { gatewayOf, guestAddressesOf, isLinkLocal, toldRouterOf } from '../../../shared/pod-network.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { TapConf } from '../../request/config.ts';
import { widenSteps } from '../widen.ts';
import type { Attachment } from './attachment.ts';
import type { End, Ends } from './ends.ts';
import { type GuestFacts, NO_FACTS, pingGroups, requireAddresses } from './guest-facts.ts';
import { silenceTable } from './silence.ts';

interface Observed {
  readonly guest: GuestFacts;
  readonly warnings: readonly string[];
}

/** Whether ADD must know more of a pod than its links. */
const needsFacts = ({ guestAddresses, spoofGuard }: TapConf): boolean =>
  guestAddresses === 'pod' || spoofGuard === 'addresses';

/**
 * Observes what ADD must know to serve and guard the guest. Sends frames only if nothing but asking
 * finds the router: then the pod must not be silenced yet.
 */
export async function observeGuest(
  kernel: Kernel,
  attachment: Attachment,
  pod: End,
  ends: Ends,
): Promise<Observed> {
  if (!needsFacts(attachment.conf)) return { guest: NO_FACTS, warnings: [] };
  const [{ addresses, routes }, sysctls] = [await kernel.network(), await kernel.readSysctls()];
  const tap = ends.tap?.link ?? null;
  const known: GuestFacts = {
    ...NO_FACTS,
    ipv4: guestAddressesOf(pod.link, 'inet', addresses).map(({ local }) => local),
    ipv6: guestAddressesOf(pod.link, 'inet6', addresses).map(({ local }) => local),
    ofTap:
      tap === null
        ? []
        : addresses.filter(({ ifindex }) => ifindex === tap.ifindex).map(({ local }) => local),
    sysctls,
  };
  requireAddresses(attachment, known);
  if (known.ipv6.length === 0) return { guest: known, warnings: [] };

  const gateway = gatewayOf(pod.link, routes);
  if (gateway === null) return { guest: known, warnings: [] };
  if (isLinkLocal(gateway)) {
    return { guest: { ...known, router: { address: gateway, mac: null, isTold: true } }, warnings: [] };
  }
  const told = tap === null ? undefined : toldRouterOf(await kernel.neighbours(tap.ifindex));
  if (told !== undefined) {
    const router = { address: told.address, mac: told.mac, isTold: true };
    return { guest: { ...known, router }, warnings: [] };
  }
  // A guest may be running: do not let the pod send with its MAC. And with a redirect, it gets no
  // answers.
  if (pod.redirect !== null || (ends.tap !== null && ends.tap.redirect !== null)) {
    return unknownRouter(gateway, pod, 'a second ADD does not ask', known);
  }
  return askFor(gateway, kernel, attachment, pod, ends, { ...known, asker: kernel.gid });
}

const unknownRouter = (gateway: string, { link }: End, reason: string, guest: GuestFacts): Observed => ({
  guest,
  warnings: [
    `Cannot find the link-local address of gateway ${gateway} of "${link.ifname}": ${reason}; ` +
      'the guest gets no IPv6 default route from router advertisements',
  ],
});

async function askFor(
  gateway: string,
  kernel: Kernel,
  attachment: Attachment,
  pod: End,
  { silence }: Ends,
  guest: GuestFacts,
): Promise<Observed> {
  const unknown = (reason: string) => unknownRouter(gateway, pod, reason, guest);
  // A killed ADD may have silenced the pod, which then cannot ask.
  const unsilenced = silence.hasTables
    ? [{ op: 'deleteSilence', table: silenceTable(attachment.key) } as const]
    : [];
  const widened = widenSteps({ firstPort: null, groups: pingGroups(attachment.conf, guest) }, guest.sysctls);
  const outcomes = await kernel.run([[...unsilenced, ...widened.map((step) => step.do)]], false);
  const failure = outcomes.find((outcome) => outcome instanceof Error);
  if (failure !== undefined) return unknown(messageOf(failure));
  const found = await kernel.findRouter(pod.link, gateway);
  return 'reason' in found
    ? unknown(found.reason)
    : { guest: { ...guest, router: { ...found.router, isTold: false } }, warnings: [] };
}
