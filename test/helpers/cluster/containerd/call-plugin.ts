import { execa } from 'execa';
import { type Call, environmentOf, netconf } from '../../plugin/cni.ts';
import type { Node } from './node.ts';
import type { Pod } from './pods.ts';

/**
 * Calls the plugin that is installed on the node for a pod: by default for its primary network, as
 * Multus calls it for a binding.
 */
export async function callPlugin(
  { init, netns }: Node,
  command: string,
  pod: Pod,
  attachment: Pick<Call, 'network' | 'ifname' | 'conf' | 'env'> = { network: 'default' },
): Promise<{ readonly exitCode?: number; readonly stdout: string; readonly stderr: string }> {
  const call = { netns: `/run/netns/${pod.netns.name}`, containerId: pod.id, ...attachment };
  const place = [`--target=${init}`, '--mount', '--pid', `--net=${netns.path}`];
  return execa('nsenter', [...place, '/opt/cni/bin/tapwire'], {
    env: environmentOf(command, call),
    extendEnv: false,
    input: JSON.stringify(netconf(call)),
    reject: false,
  });
}
