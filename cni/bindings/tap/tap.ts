import type { AttachmentKey } from '../../../shared/record.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Level } from '../../plan/op.ts';
import { type IndexedNetns, indexNetns } from '../../plan/seen.ts';
import type { TapConf } from '../../request/config.ts';
import type { PrevResult } from '../../request/prev-result.ts';
import { linkResult } from '../../result.ts';
import type { BindingActions, Plan } from '../binding.ts';
import { type Attachment, resolveAttachment } from './attachment.ts';
import { findDefects, refuseDefects } from './check.ts';
import { programsAt } from './conflicts.ts';
import { type Ends, endsOf } from './ends.ts';
import { passageOf } from './guest-facts.ts';
import { observeGuest } from './observe-guest.ts';
import { planAdd, requireWirable } from './plan-add.ts';
import { requirePodLink } from './pod-link.ts';
import {
  claimsAddresses,
  findLost,
  findUntrueClaims,
  marksOf,
  type UntrueClaim,
  warningsOf,
} from './prev-result-claims.ts';
import { conflictWarnings } from './requirements.ts';
import { ownTables } from './silence.ts';
import { findWarnings, warnOfOlderPassage, warnOfSound } from './warnings.ts';

/** A tap next to the pod link; all frames are redirected from one to the other. */
export function tapBinding(conf: TapConf): BindingActions {
  const look = async (kernel: Kernel, key: AttachmentKey) => {
    const seen = indexNetns(await kernel.observe());
    const attachment = resolveAttachment(key, conf, seen.links);
    const whole = await withRules(kernel, key, await withPrograms(kernel, attachment, seen));
    return { attachment, whole, ends: endsOf(attachment, whole) };
  };

  /** Looks again if asking for the router has changed the pod, and for what the passage needs. */
  const lookForPlan = async (kernel: Kernel, key: AttachmentKey) => {
    const { attachment, whole, ends } = await look(kernel, key);
    const { pod } = requireWirable(attachment, ends);
    const { guest, warnings } = await observeGuest(kernel, attachment, pod, ends);
    const found = { attachment, guest, unknown: warnings };
    if (isOpen(conf) && ends.tap?.record == null) return { ...found, ends };
    const now = guest.asker === null ? whole : (await look(kernel, key)).whole;
    return { ...found, ends: endsOf(attachment, now, passageOf(conf, guest)) };
  };

  return {
    async plan(kernel, { key, netns, version }) {
      const { attachment, ends, guest, unknown } = await lookForPlan(kernel, key);
      const untrue = await untrueClaims(kernel, ends, conf.prevResult, netns);
      const told = marksOf(untrue);
      const levels = planAdd(attachment, ends, told, guest);
      const pod = requirePodLink(attachment, ends);
      const plan = {
        levels,
        warnings: [
          ...warningsOf(untrue),
          ...conflictWarnings(pod),
          ...findWarnings(attachment, ends, guest),
          ...unknown,
        ],
        withoutFirst: withoutSilence(attachment, ends, told, levels),
      };
      if (conf.prevResult !== null || conf.logicNetworkName !== null) {
        return { ...plan, result: { ...conf.prevResult?.source, cniVersion: version } };
      }
      return { ...plan, result: linkResult(version, netns, pod.link, await kernel.addresses()) };
    },
    async check(kernel, { key, netns }, prevResult) {
      const { attachment, ends } = await look(kernel, key);
      const untrue = await untrueClaims(kernel, ends, prevResult, netns);
      const told = ends.tap?.record?.told ?? null;
      const facts = ends.tap?.record?.passage.serves ? await readNetnsFacts(kernel) : null;
      refuseDefects([...findDefects(attachment, ends, facts), ...findLost(untrue, told)], attachment, ends);
      return warnOfOlderPassage(attachment, ends);
    },
  };
}

/** Whether every frame may pass. */
const isOpen = ({ guestAddresses, spoofGuard }: TapConf): boolean =>
  guestAddresses === 'network' && spoofGuard === 'off';

/**
 * Plans ADD as if the kernel had no nf_tables: a pod gets its network even if it cannot be
 * silenced.
 */
function withoutSilence(
  attachment: Attachment,
  ends: Ends,
  told: readonly string[],
  levels: readonly Level[],
): Plan['withoutFirst'] {
  if (levels[0]?.[0]?.do.op !== 'addSilence' || !isOpen(attachment.conf)) return null;
  return ({ message }) => {
    const silence = { refusal: message, hasTables: false, dropped: null };
    return { levels: planAdd(attachment, { ...ends, silence }, told), warnings: [warnOfSound(message)] };
  };
}

const readNetnsFacts = async (kernel: Kernel) => ({
  addresses: await kernel.addresses(),
  sysctls: await kernel.readSysctls(),
});

/** Asks for the addresses of the netns only if prevResult mentions them. */
async function untrueClaims(
  kernel: Kernel,
  { pod }: Ends,
  prevResult: PrevResult | null,
  netns: string,
): Promise<readonly UntrueClaim[]> {
  if (pod === null || prevResult === null) return [];
  const addresses = claimsAddresses(pod.link.ifname, prevResult) ? await kernel.addresses() : [];
  return findUntrueClaims(pod.link, prevResult, netns, addresses);
}

/** Adds what is known of programs at the ends. Nearly always there are none, and nothing to ask. */
async function withPrograms(
  kernel: Kernel,
  { podLink, tap }: Attachment,
  seen: IndexedNetns,
): Promise<IndexedNetns> {
  const ids = programsAt([podLink, tap], seen);
  return ids.length === 0 ? seen : { ...seen, programs: await kernel.readPrograms(ids) };
}

/**
 * Adds the rules of the attachment's tables. Before its first ADD it has no tables, and there is
 * nothing to ask.
 */
export async function withRules(
  kernel: Kernel,
  key: AttachmentKey,
  seen: IndexedNetns,
): Promise<IndexedNetns> {
  const tables = ownTables(key, seen.nftables);
  if (tables.length === 0) return seen;
  return { ...seen, nftables: { ...seen.nftables, rules: await kernel.readRules(tables) } };
}
