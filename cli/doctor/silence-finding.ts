import { SILENCE_OPTIONS } from '../../cni/bindings/tap/silence.ts';
import { type Finding, ok, warning } from './finding.ts';

/** @param failure of adding the rules of nftables in a netns of our own; null if it worked */
export function silenceFinding(failure: string | null): Finding {
  const WHAT = 'silence';
  if (failure === null) {
    return ok(WHAT, "nftables keeps a pod's own stack from sending with the MAC of its VM");
  }
  const advice = `load the module nf_tables, or use a kernel with ${SILENCE_OPTIONS}; pods are wired all the same`;
  return warning(WHAT, failure, advice);
}
