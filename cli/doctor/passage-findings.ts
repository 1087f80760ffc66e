import { FLOOR_OPTIONS } from '../../cni/bindings/tap/floor.ts';
import { type Diagnosis, ok, warning } from './diagnosis.ts';
import type { Facts } from './facts.ts';

/** Judges what only NADs with `guestAddresses` or `spoofGuard` need of a kernel. Pure. */
export const passageFindings = ({ services, guard }: Facts['passage']): readonly Diagnosis[] => [
  servicesFinding(services),
  guardFinding(guard),
];

function servicesFinding(failure: string | null): Diagnosis {
  const WHAT = 'guest services';
  if (failure === null)
    return ok(WHAT, "a tap can take its guest's DHCP and router solicitations, and keep foreign servers out");
  const advice = `use a kernel with ${FLOOR_OPTIONS} and CONFIG_NET_CLS_U32; only NADs with "guestAddresses": "pod" need it`;
  return warning(WHAT, failure, advice);
}

function guardFinding({ program, filters }: Facts['passage']['guard']): Diagnosis {
  const WHAT = 'spoof guard';
  if (program === null) return ok(WHAT, 'by a classic BPF program');
  if (filters === null) {
    return ok(WHAT, 'by u32 filters; this kernel has no classic BPF for tc (CONFIG_NET_CLS_BPF)');
  }
  const advice = `use a kernel with ${FLOOR_OPTIONS}, and CONFIG_NET_CLS_BPF or CONFIG_NET_CLS_U32; only NADs with "spoofGuard" need it`;
  return warning(WHAT, filters, advice);
}
