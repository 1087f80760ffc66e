import type { AttachmentKey } from '../../../shared/record.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Level } from '../../plan/op.ts';
import { recordOf } from '../../plan/ours.ts';
import { findLink, type NetnsState } from '../../plan/seen.ts';
import type { TapConf } from '../../request/config.ts';
import type { PrevResult } from '../../request/prev-result.ts';
import { linkResult } from '../../result.ts';
import type { BindingActions, Plan } from '../binding.ts';
import { type Attachment, resolveAttachment } from './attachment.ts';
import { findDefects, refuseDefects } from './check.ts';
import {
  claimsAddresses,
  findLost,
  findUntrueClaims,
  marksOf,
  type UntrueClaim,
  warningsOf,
} from './claims.ts';
import { programsAt } from './conflicts.ts';
import { planAdd } from './plan-add.ts';
import { requirePodLink } from './pod-link.ts';
import { conflictWarnings } from './requirements.ts';
import { ownTables } from './silence.ts';
import { findWarnings, warnOfSound } from './warnings.ts';

/** A tap beside the pod link, and all frames redirected from one to the other. */
export function tapBinding(conf: TapConf): BindingActions {
  const look = async (kernel: Kernel, key: AttachmentKey) => {
    const seen = await kernel.observe();
    const attachment = resolveAttachment(key, conf, seen.links);
    return { attachment, seen: await withRules(kernel, key, await withPrograms(kernel, attachment, seen)) };
  };

  return {
    async plan(kernel, { key, netns, version }) {
      const { attachment, seen } = await look(kernel, key);
      const untrue = await untrueClaims(kernel, attachment, conf.prevResult, netns, seen);
      const told = marksOf(untrue);
      const levels = planAdd(attachment, seen, told);
      const pod = requirePodLink(attachment, seen.links);
      const plan = {
        levels,
        warnings: [
          ...warningsOf(untrue),
          ...conflictWarnings(pod, attachment, seen),
          ...findWarnings(attachment, seen),
        ],
        withoutFirst: withoutSilence(attachment, seen, told, levels),
      };
      if (conf.prevResult !== null || conf.logicNetworkName !== null) {
        return { ...plan, result: { ...conf.prevResult?.source, cniVersion: version } };
      }
      return { ...plan, result: linkResult(version, netns, pod, await kernel.addresses()) };
    },
    async check(kernel, { key, netns }, prevResult) {
      const { attachment, seen } = await look(kernel, key);
      const untrue = await untrueClaims(kernel, attachment, prevResult, netns, seen);
      const tap = findLink(attachment.tap, seen);
      const told = (tap && recordOf(tap, key)?.told) ?? null;
      refuseDefects([...findDefects(attachment, seen), ...findLost(untrue, told)], attachment, seen);
    },
  };
}

/** No pod goes without its network for want of silence: it is wired as if the kernel had no nf_tables. */
function withoutSilence(
  attachment: Attachment,
  seen: NetnsState,
  told: readonly string[],
  levels: readonly Level[],
): Plan['withoutFirst'] {
  if (levels[0]?.[0]?.do.op !== 'addSilence') return null;
  return ({ message }) => {
    const nftables = { tables: [], rules: [], refusal: message };
    return { levels: planAdd(attachment, { ...seen, nftables }, told), warnings: [warnOfSound(message)] };
  };
}

/** Asks for the addresses of the netns only if prevResult speaks of them. */
async function untrueClaims(
  kernel: Kernel,
  { podLink }: Attachment,
  prevResult: PrevResult | null,
  netns: string,
  seen: NetnsState,
): Promise<readonly UntrueClaim[]> {
  const pod = findLink(podLink, seen);
  if (pod === undefined || prevResult === null) return [];
  const addresses = claimsAddresses(podLink, prevResult) ? await kernel.addresses() : [];
  return findUntrueClaims(pod, prevResult, netns, addresses);
}

/** Nearly always there is no program, and nothing more to ask. */
async function withPrograms(
  kernel: Kernel,
  { podLink, tap }: Attachment,
  seen: NetnsState,
): Promise<NetnsState> {
  const ends = seen.links.filter(({ ifname }) => ifname === podLink || ifname === tap);
  const ids = programsAt(ends, seen);
  return ids.length === 0 ? seen : { ...seen, programs: await kernel.readPrograms(ids) };
}

/** Before the first ADD of an attachment it has no tables, and there is nothing to ask. */
export async function withRules(kernel: Kernel, key: AttachmentKey, seen: NetnsState): Promise<NetnsState> {
  const tables = ownTables(key, seen.nftables);
  if (tables.length === 0) return seen;
  return { ...seen, nftables: { ...seen.nftables, rules: await kernel.readRules(tables) } };
}
