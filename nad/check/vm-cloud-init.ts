import { get } from '../../shared/json.ts';
import { canonicalMac } from '../../shared/mac.ts';
import { doubt, type Finding, findingsAt, type Problem } from './finding.ts';
import type { Vm } from './vm.ts';

/** Kinds of volume that carry cloud-init's network data. */
export const SOURCES = ['cloudInitNoCloud', 'cloudInitConfigDrive'];
/** `match.macaddress` of version 2, and `mac_address` of version 1. */
const MAC = /mac_?address["']?\s*:\s*["']?((?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2})\b/gi;

/**
 * Finds network data for a MAC that no interface of the VM has. cloud-init ignores it, so the guest
 * does not ask for an address.
 *
 * Source: cloud-init, reference/network-config-format-v2
 */
export function checkCloudInit(vm: Vm): readonly Finding[] {
  if (!Array.isArray(vm.volumes)) return [];
  const macs = new Set(vm.interfaces.map(({ fields }) => canonical(fields['macAddress'])));
  return vm.volumes.flatMap((volume, i) =>
    SOURCES.flatMap((source) => {
      const place = vm.at(`.volumes[${i}].${source}.networkData`);
      const subject = `${vm.title}: volume "${get(volume, 'name')}"`;
      return findingsAt(place, subject, problemsOf(networkDataOf(volume, source), macs));
    }),
  );
}

function networkDataOf(volume: unknown, source: string): string {
  const [text, base64] = ['networkData', 'networkDataBase64'].map((key) => get(volume, source, key));
  if (typeof text === 'string') return text;
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64').toString() : '';
}

function problemsOf(networkData: string, macs: ReadonlySet<string | null>): readonly Problem[] {
  const named = new Set(Array.from(networkData.matchAll(MAC), ([, mac]) => canonical(mac)));
  return [...named]
    .filter((mac) => mac !== null && !macs.has(mac))
    .map((mac) =>
      doubt(
        `networkData is for a NIC with the MAC ${mac}, and no interface has it, so cloud-init ignores it; ` +
          'write the macAddress of an interface there',
      ),
    );
}

const canonical = (mac: unknown): string | null => (typeof mac === 'string' ? canonicalMac(mac) : null);
