/** The pods on which rows of the conformance table call the plugin. */
import { hashedPodIfname, secondaryTapIfname } from '../../../shared/kubevirt/names.ts';
import { type Call, cni } from '../../helpers/plugin/cni.ts';
import { dumpNetns, sameNetns, type TestNetns, withPod } from '../../helpers/pod/netns.ts';
import { CHECKABLE, conf, MAC, refused, succeeds } from './calls.ts';

export const BLUE = hashedPodIfname('blue');

export const BLUE_TAP = secondaryTapIfname(BLUE);

export const binding = ({ path }: TestNetns, changes: Readonly<Record<string, unknown>> = {}): Call => ({
  netns: path,
  network: 'default',
  conf: { ...CHECKABLE, ...changes },
});

/** A binding's pod, dumped before; `act` must leave it with nothing of ours. */
export const onPod = (act: (request: Call, netns: TestNetns) => Promise<unknown>) =>
  withPod('eth0', async (netns) => {
    const before = await dumpNetns(netns);
    await act(binding(netns), netns);
    sameNetns(await dumpNetns(netns), before);
  });

/** A secondary network's pod, as the plugin is called for the network itself. */
export const onBlue = (
  act: (request: Call, netns: TestNetns) => Promise<unknown>,
  changes: Readonly<Record<string, unknown>> = {},
) => withPod(BLUE, (netns) => act({ netns: netns.path, ifname: BLUE, conf: changes }, netns));

// biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
export const linkOf = async ({ ip }: TestNetns, ifname: string): Promise<any> =>
  JSON.parse(await ip(`-d -j link show dev ${ifname}`))[0];

/** The result of a bridge plugin, say, in the form of that version. */
export const prevResultOf = (version: string, sandbox: string) => ({
  cniVersion: version,
  interfaces: [
    { name: 'br0', mac: '02:00:00:00:00:aa' },
    { name: BLUE, mac: '02:00:00:00:00:01', sandbox },
  ],
  ips: [
    {
      ...(version < '1.0.0' ? { version: '4' } : {}),
      interface: 1,
      address: '192.0.2.10/24',
      gateway: '192.0.2.1',
    },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '192.0.2.1' }],
  dns: { nameservers: ['192.0.2.53'], search: ['example.org'] },
});

/** ADD of a network with that prevResult; its result. */
export const chained = (version: string, prevResult: unknown) =>
  withPod(BLUE, async ({ path }) => {
    const request = { netns: path, ifname: BLUE, conf: { cniVersion: version, prevResult } };
    return (await succeeds('ADD', request)).json;
  });

export const mismatched = (version: string, other: string): Promise<void> =>
  refused(
    7,
    `Cannot read $.prevResult.cniVersion: want a result of the form of "${version}", got "${other}"`,
    {},
    conf({ cniVersion: version, prevResult: prevResultOf(other, '/x') }),
  );

/** ADD on a pod link with that MAC. */
export const withMac = (changes: Readonly<Record<string, unknown>>, args = '') =>
  withPod(BLUE, async ({ path, ip }) => {
    await ip(`link set ${BLUE} address ${MAC}`);
    return cni('ADD', { netns: path, ifname: BLUE, conf: changes, env: { CNI_ARGS: args } });
  });
