import { SILENCE_OPTIONS } from '../../cni/bindings/tap/silence.ts';
import { type Diagnosis, ok, warning } from './diagnosis.ts';

/** @param failure of adding nftables rules in a temporary netns; null on success */
export function silenceFinding(failure: string | null): Diagnosis {
  const WHAT = 'silence';
  if (failure === null) {
    return ok(WHAT, "nftables can keep a pod's own stack from sending with the VM's MAC");
  }
  const advice = `load the module nf_tables, or use a kernel with ${SILENCE_OPTIONS}; pods are wired without it, too`;
  return warning(WHAT, failure, advice);
}
