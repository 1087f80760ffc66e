import type { MacvtapResource } from '../../cni/policy/macvtap-policy.ts';
import { NODE_FILE } from '../../cni/policy/node-policy.ts';
import { fullResourceName } from '../../shared/kubelet/device-id.ts';
import { type Diagnosis, error, ok, warning } from './diagnosis.ts';
import type { AgentFacts, Facts } from './facts.ts';
import { lowerFindings } from './lower-findings.ts';
import type { KubeletFacts } from './macvtap-facts.ts';

const WHAT = 'macvtap';

/** Judges what macvtap needs; nothing if the node policy file has no `$.macvtap`. Pure. */
export function macvtapFindings({ macvtap, agent }: Facts): readonly Diagnosis[] {
  if (macvtap === null) return [];
  const { policy, kernel, deviceFileSystem, kubelet, rejections, lowers } = macvtap;
  return [
    ...rejections.map(({ who, reason }) =>
      error(
        'node policy file',
        `${who} rejects it, and with it every ADD: ${reason}`,
        `upgrade Tapwire on this node before ${NODE_FILE} has $.macvtap; until then, remove that key`,
      ),
    ),
    kernelFinding(kernel),
    deviceDirectoryFinding(deviceFileSystem),
    ...lowerFindings(policy, lowers),
    ...(kubelet === null ? [] : kubeletFindings(policy.kubeletDirectory, kubelet)),
    ...policy.resources.map((resource) => resourceFinding(resource, agent, kubelet?.registered ?? null)),
    ...(policy.resources.length === 0 ? [] : [HOT_PLUG]),
  ];
}

const HOT_PLUG: Diagnosis = {
  ...ok(
    'volume hot-plug',
    "KubeVirt drops a VM's right to open its macvtap when a volume is hot-plugged (kubevirt#17392)",
  ),
  advice: 'for VMs that need hot-plug, use the binding tap on a macvlan network',
};

function kernelFinding(failure: string | null): Diagnosis {
  if (failure === null) return ok(WHAT, 'the kernel can create macvtaps');
  const advice = 'load the module macvtap, or use a kernel with CONFIG_MACVTAP';
  return error(WHAT, `the kernel cannot create macvtaps: ${failure}`, advice);
}

function deviceDirectoryFinding(type: string | null): Diagnosis {
  const what = '/dev';
  if (type === 'devtmpfs')
    return ok(what, 'a devtmpfs: the kernel makes and deletes the device nodes of macvtaps');
  return warning(
    what,
    `${type ?? 'an unknown file system'} instead of the kernel's devtmpfs: ADD makes each device node itself, and it is left if a pod ends without DEL`,
    'nothing if this node is a container, such as one of KinD; else find out what is mounted at /dev',
  );
}

function kubeletFindings(directory: string, { missing }: KubeletFacts): readonly Diagnosis[] {
  const what = 'kubelet';
  if (missing.length === 0) {
    return [ok(what, `${directory} has the sockets for device plugins and pod resources`)];
  }
  return [
    error(
      what,
      `${missing.join(' and ')} ${missing.length === 1 ? 'is not a socket' : 'are not sockets'}, so no VM gets a macvtap`,
      "start kubelet, or set $.macvtap.kubeletDirectory in the node policy file to kubelet's --root-dir",
    ),
  ];
}

/** Judges whether the agent offers the devices of a resource, and kubelet has registered it. */
function resourceFinding(
  { name }: MacvtapResource,
  agent: AgentFacts,
  registered: KubeletFacts['registered'],
): Diagnosis {
  const resource = fullResourceName(name);
  const what = `resource ${resource}`;
  if (!agent.isThere || agent.failure !== null) {
    return error(
      what,
      'no agent offers it to kubelet, so no new VM gets a device',
      'run the DaemonSet on this node',
    );
  }
  if (agent.ready === null) {
    return warning(
      what,
      'unknown, because the agent does not show its metrics',
      "check the agent's option --health",
    );
  }
  const offered = agent.offered.get(resource);
  if (offered === undefined) {
    const found = 'the agent does not offer it to kubelet, so no new VM gets a device';
    return error(what, found, "deploy the DaemonSet's overlay for macvtap, and see the agent's log");
  }
  const { healthy, unhealthy } = offered;
  if (unhealthy > 0) {
    const found = `${unhealthy} of ${healthy + unhealthy} devices are unhealthy, so no new VM gets one of them`;
    return error(what, found, "see the lower device above, and the agent's log");
  }
  const devices = `${healthy} healthy ${healthy === 1 ? 'device' : 'devices'}`;
  if (registered === null) return ok(what, `the agent offers ${devices} to kubelet`);
  if (registered.has(resource)) return ok(what, `kubelet has registered ${devices} of the agent`);
  return error(
    what,
    `the agent offers ${devices}, but kubelet has not registered them, so no new VM gets a device`,
    "see the logs of the agent and of kubelet; deleting the agent's pod makes it register again",
  );
}
