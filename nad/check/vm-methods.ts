import type { Minor } from '../kubevirt-versions.ts';
import { type Finding, failure } from './finding.ts';
import type { Network, Vm } from './vm.ts';

/** Binding methods that KubeVirt removed, with replacements. */
const WITHDRAWN: Readonly<Record<string, string>> = {
  slirp: 'binding "tapwire-slirp"',
  passt: 'binding "tapwire-passt"',
  macvtap: 'binding "tapwire-macvtap"',
};
const WITHDRAWN_SINCE: Minor = 3;

/** Methods that work only on the pod network. */
const OF_POD_NETWORK = ['masquerade', 'passtBinding'];

/** Finds binding methods that KubeVirt rejects when the VM is created. */
export function* checkMethods(
  { title, interfaces, networks, preference, at }: Vm,
  minor: Minor,
): Iterable<Finding> {
  const byName = new Map<string, Network>(networks.map((network) => [network.name, network]));
  for (const [i, { name, methods }] of interfaces.entries()) {
    const path = `.domain.devices.interfaces[${i}]`;
    const subject = `${title}: interface "${name}"`;
    const network = byName.get(name);
    const withdrawn = methods.find((method) => Object.hasOwn(WITHDRAWN, method));
    const ofPod = methods.find((method) => OF_POD_NETWORK.includes(method));
    // A preference may add masquerade.
    if (methods.length === 0 && network?.pod === true && preference.masquerade !== false) continue;
    if (methods.length !== 1) {
      const has = methods.length === 0 ? 'none' : methods.map((method) => `"${method}"`).join(' and ');
      const want = 'needs exactly one of bridge, masquerade, sriov, passtBinding and binding';
      yield failure(at(path), `${subject} ${want}, got ${has}`);
    } else if (withdrawn !== undefined && minor >= WITHDRAWN_SINCE) {
      const reason = `KubeVirt 1.${minor} no longer has "${withdrawn}"; use ${WITHDRAWN[withdrawn]}`;
      yield failure(at(`${path}.${withdrawn}`), `${subject}: ${reason}`);
    } else if (ofPod !== undefined && network !== undefined && !network.pod) {
      const reason = `"${ofPod}" serves only the pod network; use another binding for this network`;
      yield failure(at(`${path}.${ofPod}`), `${subject}: ${reason}`);
    }
  }
}
