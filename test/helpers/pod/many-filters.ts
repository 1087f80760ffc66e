/** Filters that take much of the kernel's memory, none of which the kernel charges to the pod. */
import { closeSync, openSync } from 'node:fs';
import { nested, struct, text } from '../../../shared/netlink/attribute.ts';
import { NLM_F_CREATE, type Request } from '../../../shared/netlink/message.ts';
import { Rtnetlink } from '../../../shared/netns/netns.ts';
import { allLinks } from '../../../shared/rtnetlink/link.ts';
import { TCA_U32_SEL } from '../../../shared/rtnetlink/match.ts';
import { TCA_KIND, tcmsg } from '../../../shared/rtnetlink/qdisc.ts';
import type { TestNetns } from './netns.ts';

// linux/rtnetlink.h, linux/pkt_cls.h
const RTM_NEWTFILTER = 44;
const CLSACT_INGRESS = 0xfffffff2;
const ETH_P_IP_BE = 0x0008;
const TCA_OPTIONS = 2;
/** Keys of one filter: almost the most that u32 has room for. */
const KEYS = 250;
/** Prefs over which the filters are spread, so that the kernel finds each at once. */
const PREFS = 250;
const AT_ONCE = 50;

/** Size in bytes of each filter in a dump, at least. */
export const FILTER_BYTES = KEYS * 16;

/** Adds u32 filters with many keys to the ingress of a link with a clsact qdisc. */
export async function addManyFilters({ path }: TestNetns, ifname: string, count: number): Promise<void> {
  const fd = openSync(path, 'r');
  const rtnetlink = new Rtnetlink(fd);
  try {
    const [links] = await rtnetlink.ask(allLinks);
    const ifindex = links.find((link) => link.ifname === ifname)?.ifindex ?? 0;
    // struct tc_u32_sel: terminal; each key matches if a word of the frame is 1.
    const keys = Array.from({ length: KEYS }, (_, i) => [0xffffffff, 1, 4 * i, 0]).flat();
    const selector = [1 | (KEYS << 16), 0, 0, 0, ...keys];
    const add = (pref: number): Request => ({
      type: RTM_NEWTFILTER,
      flags: NLM_F_CREATE,
      body: [
        ...tcmsg(ifindex, CLSACT_INGRESS, 0, ((pref << 16) | ETH_P_IP_BE) >>> 0),
        ...text(TCA_KIND, 'u32'),
        ...nested(TCA_OPTIONS, struct(TCA_U32_SEL, selector)),
      ],
    });
    for (let at = 0; at < count; at += AT_ONCE) {
      const requests = Array.from({ length: AT_ONCE }, (_, i) => add(1 + ((at + i) % PREFS)));
      const [outcomes] = await rtnetlink.run([{ part: 'change', requests }], false);
      if (outcomes === 'notReached' || outcomes?.some((outcome) => outcome !== 'done')) {
        throw new Error(`Cannot add filters: ${JSON.stringify(outcomes)}`);
      }
    }
  } finally {
    await rtnetlink.close();
    closeSync(fd);
  }
}
