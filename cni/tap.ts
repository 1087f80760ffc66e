import { resolveAttachment } from './attachment.ts';
import type { Binding } from './bindings.ts';
import { check, findDefects, findResultDefects } from './check.ts';
import type { TapConf } from './config.ts';
import { planAdd } from './plan-add.ts';
import { requirePodLink } from './pod-link.ts';
import { linkResult } from './result.ts';

/** A tap beside the pod link, and all frames redirected from one to the other. */
export function tapBinding(conf: TapConf): Binding {
  return {
    async plan(kernel, { key, netns, version }) {
      const seen = await kernel.observe();
      const attachment = resolveAttachment(key, conf, seen.links);
      const levels = planAdd(attachment, seen);
      if (conf.prevResult !== null || conf.logicNetworkName !== null) {
        return { levels, result: { ...conf.prevResult?.source, cniVersion: version } };
      }
      const pod = requirePodLink(attachment, seen.links);
      return { levels, result: linkResult(version, netns, pod, await kernel.addresses()) };
    },
    async check(kernel, { key, netns }, prevResult) {
      const seen = await kernel.observe();
      const attachment = resolveAttachment(key, conf, seen.links);
      check(
        [
          ...findDefects(attachment, seen),
          ...findResultDefects(attachment, prevResult, netns, seen, await kernel.addresses()),
        ],
        attachment,
        seen,
      );
    },
  };
}
