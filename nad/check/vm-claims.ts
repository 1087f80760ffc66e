import { show } from '../../shared/decode.ts';
import { get } from '../../shared/json.ts';
import { type Finding, failure } from './finding.ts';
import type { Vm } from './vm.ts';

/**
 * Finds mistakes in `resourceClaim` networks that KubeVirt rejects when the VM is created.
 *
 * Source: kubevirt pkg/network/admitter/dra.go
 */
export function* checkClaims({ title, networks, interfaces, claims, at }: Vm): Iterable<Finding> {
  if (!networks.some(({ resourceClaim }) => resourceClaim !== null)) return;
  const methods = new Map(interfaces.map((one) => [one.name, one.methods]));
  const seen = new Set<string>();
  for (const [i, { name, multus, resourceClaim }] of networks.entries()) {
    const fail = (field: string, reason: string) =>
      failure(at(`.networks[${i}].${field}`), `${title}: network "${name}": ${reason}`);
    if (multus !== null)
      yield fail('multus', 'multus and resourceClaim cannot be combined in one VM; remove one');
    if (resourceClaim === null) continue;
    const [claim, request] = [get(resourceClaim, 'claimName'), get(resourceClaim, 'requestName')];
    for (const [key, value] of Object.entries({ claimName: claim, requestName: request })) {
      if (typeof value !== 'string' || value === '') {
        yield fail(`resourceClaim.${key}`, `resourceClaim needs a ${key}, got ${show(value)}`);
      }
    }
    const pair = `${claim}/${request}`;
    if (seen.has(pair)) yield fail('resourceClaim', `claim and request "${pair}" appear twice; change one`);
    seen.add(pair);
    if (typeof claim === 'string' && claim !== '' && !claims.has(claim)) {
      yield fail('resourceClaim.claimName', `"${claim}" is not in spec.resourceClaims; add it`);
    }
    const [method] = methods.get(name) ?? [];
    if (method !== undefined && method !== 'sriov' && method !== 'binding') {
      yield fail('resourceClaim', `a resourceClaim is only for sriov and binding plugins, not for ${method}`);
    }
  }
}
