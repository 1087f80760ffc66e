/**
 * Compares the tests' stand-in for Multus with the real one (fixtures/recorded): from the same pod,
 * NADs and results of plugins it makes the same calls, variable by variable and byte by byte on
 * stdin, in the same order, and writes the same network status. Random details of a cluster are not
 * compared: the order of variables, and where containerd's CNI_ARGS begin.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Invocation,
  type NetworkList,
  type PluginCall,
  type Printed,
  runtimeOver,
} from '../helpers/cluster/cni-runtime.ts';
import {
  CONTAINERD_ENVIRONMENT,
  DAEMON_ENVIRONMENT,
  type Nad,
  type NetworkSelection,
  openMultus,
  type Pod,
  toAnnotation,
} from '../helpers/cluster/multus.ts';
import {
  annotationOf,
  filesIn,
  type RecordedCall,
  recordedCalls,
  recordedJson,
  replayed,
  stdinOf,
} from '../helpers/plugin/recorded.ts';
import { testNetns } from '../helpers/pod/netns.ts';

const test = suite('the stand-in for Multus');

const calls = recordedCalls();
const ENVIRONMENT = { thin: CONTAINERD_ENVIRONMENT, thick: DAEMON_ENVIRONMENT } as const;
type Variant = keyof typeof ENVIRONMENT;

const macvlan = { type: 'macvlan', master: 'bond0', mode: 'bridge' };
const one = (name: string, conf: object): Nad => ({ config: { cniVersion: '1.0.0', name, ...conf } });
const declaring = (...names: string[]) => ({
  capabilities: Object.fromEntries(names.map((name) => [name, true])),
});
const chain = (name: string, first: object = {}, second: object = {}): Nad =>
  one(name, {
    plugins: [
      { ...macvlan, ...first },
      { type: 'tapwire', ...second },
    ],
  });
const resourceName = 'example.test/dev';

/** The NADs of the recorded cluster. */
const NADS: Readonly<Record<string, Nad>> = {
  'default/tapwire-tap': one('tapwire-tap', { type: 'tapwire' }),
  'default/tapwire-tap-mq': one('tapwire-tap-mq', { type: 'tapwire', multiQueue: true }),
  'default/tapwire-passt': one('tapwire-passt', { type: 'tapwire', binding: 'passt' }),
  'vms/lan': one('lan', macvlan),
  'vms/badlan': one('badlan', { ...macvlan, master: 'nosuch0' }),
  'vms/lanchain': chain('lanchain'),
  'vms/lancap': chain('lancap', declaring('mac'), declaring('mac', 'ips', 'deviceID', 'CNIDeviceInfoFile')),
  'vms/devtap': { ...one('devtap', { type: 'tapwire' }), resourceName },
  'vms/devnet': { ...chain('devnet', {}, declaring('deviceID', 'CNIDeviceInfoFile')), resourceName },
  'vms/tap11': one('tap11', { cniVersion: '1.1.0', type: 'tapwire' }),
  'vms/lan11': one('lan11', { cniVersion: '1.1.0', plugins: [macvlan, { type: 'tapwire' }] }),
  'vms/tap03': { config: { name: 'tap03', type: 'tapwire' } },
};

/**
 * The default network that containerd passed to thin Multus. The thick daemon read the same from a
 * file.
 */
function clusterNetwork(variant: Variant, name: string): NetworkList {
  const told = calls.find(({ plugin, case: of }) => plugin === 'multus' && of === 'primary');
  const bridge = calls.find(
    (call) => call.caller === variant && call.plugin === 'bridge' && call.case === name,
  );
  const [list] = told?.stdin.delegates ?? [];
  return { ...list, cniVersion: bridge?.stdin.cniVersion ?? list.cniVersion };
}

interface Recorded {
  readonly path: string;
  readonly variant: Variant;
  readonly name: string;
  /** Calls of plugins for exactly this pod, in order of time. */
  readonly own: readonly RecordedCall[];
  /** Calls of Multus itself for the pod. */
  readonly multus: readonly RecordedCall[];
  readonly pod: Pod;
  /** Undefined if Multus wrote none. */
  readonly status: string | undefined;
}

function readPod(path: string): Recorded {
  const [, variant = '', name = ''] = /^pods\/(thin|thick)-(.*)\.json$/.exec(path) ?? [];
  const resource = recordedJson(path);
  const { namespace, uid, annotations } = resource.metadata;
  const own = calls.filter(({ caller, case: of }) => caller === variant && of === name);
  const { CNI_CONTAINERID: containerId = '', CNI_NETNS: netns = '' } = own[0]?.env ?? {};
  const devices = own.map(({ stdin }) => stdin.deviceID).filter(Boolean);
  return {
    path,
    variant: variant as Variant,
    name,
    own,
    multus: calls.filter(
      ({ plugin, env }) => plugin.startsWith('multus') && env['CNI_CONTAINERID'] === containerId,
    ),
    pod: {
      namespace,
      name: resource.metadata.name,
      uid,
      containerId,
      netns: { ...testNetns('nobody'), path: netns, ip: async () => '[]' },
      networks: annotationOf(resource, 'networks') as NetworkSelection[],
      devices: { [resourceName]: [...new Set<string>(devices)] },
    },
    status: annotations['k8s.v1.cni.cncf.io/network-status'],
  };
}

/**
 * Returns the recorded results of plugins: those for this pod, or else those for one with the same
 * name.
 */
function answerer({ variant, name, pod, status }: Recorded): (call: PluginCall) => Promise<Printed> {
  const left = new Set(calls);
  const own = status === undefined ? [] : JSON.parse(status);
  return async ({ command, type, env }) => {
    const alike = [...left].filter(
      (call) =>
        call.caller === variant &&
        call.plugin === type &&
        call.command === command &&
        call.ifname === env['CNI_IFNAME'],
    );
    const isKnown = (call: RecordedCall) => call.case === name || call.alsoSeen?.includes(name);
    const found = alike.find((call) => call.case === name) ?? alike.find(isKnown) ?? alike[0];
    if (found === undefined) throw new Error(`Nothing like ${command} of ${type} was recorded`);
    if (found.case === name && alike.filter(isKnown).length > 1) left.delete(found);
    const recorded = found.env['CNI_NETNS'] || 'none';
    // The pod's own addresses are in its status.
    let stdout = (found.stdoutRaw ?? '').replaceAll(recorded, pod.netns.path);
    for (const entry of own.filter((entry: { interface: string }) => entry.interface === found.ifname)) {
      const result = found.stdout;
      const inSandbox = result?.interfaces?.find(({ sandbox }: { sandbox?: string }) => sandbox);
      if (inSandbox) stdout = stdout.replace(inSandbox.mac, entry.mac);
      for (const [i, { address }] of (result?.ips ?? []).entries())
        stdout = stdout.replace(address.split('/')[0], entry.ips[i]);
    }
    return { exitCode: found.exit, stdout, stderr: found.stderr };
  };
}

/** Rotates containerd's own part of CNI_ARGS so that it starts at its beginning. */
function canonicalArgs(text = ''): string {
  const pairs = text.split(';');
  const [own, theirs, requested] = [pairs.slice(0, 5), pairs.slice(5, 10), pairs.slice(10)];
  const start = theirs.indexOf('IgnoreUnknown=1');
  if (start === -1) return text;
  return [...own, ...theirs.slice(start), ...theirs.slice(0, start), ...requested].join(';');
}

interface Comparable {
  readonly command: string;
  readonly plugin: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

/**
 * The part of containerd's PATH that its NRI plugin adds. It was turned off before the cases `v11`
 * and `noversion`.
 */
const NRI = ':/opt/nri/bin';

function comparable(
  plugin: string,
  command: string,
  env: Readonly<Record<string, string>>,
  stdin: string,
): Comparable {
  const variables = {
    ...env,
    CNI_ARGS: canonicalArgs(env['CNI_ARGS']),
    PATH: env['PATH']?.replace(NRI, '') ?? '',
  };
  const byName = Object.entries(variables).sort(([a], [b]) => (a < b ? -1 : 1));
  return { plugin, command, env: Object.fromEntries(byName), stdin };
}

const madeHere = ({ type, command, env, conf }: Invocation) =>
  comparable(type, command, env, JSON.stringify(conf));
const madeThere = (call: RecordedCall) => comparable(call.plugin, call.command, call.env, stdinOf(call));

for (const path of filesIn('pods')) {
  const recorded = readPod(path);
  const { variant, name, pod, own, multus, status } = recorded;
  test(`the stand-in makes the calls that Multus made and writes its network status: ${variant} ${name}`, async () => {
    const cniPath = variant === 'thin' ? '/opt/cni/bin:/opt/cni/bin' : '/opt/cni/bin';
    const runtime = runtimeOver(answerer(recorded), ENVIRONMENT[variant], cniPath);
    const standIn = openMultus({
      runtime,
      variant,
      clusterNetwork: clusterNetwork(variant, name),
      nads: NADS,
    });

    const added = await standIn.add(pod).then(toAnnotation, ({ message }: Error) => ({ message }));
    const refusal = multus.find(({ command, exit }) => command === 'ADD' && exit !== 0);
    if (refusal !== undefined) {
      const { message } = added as { message: string };
      assert.ok(refusal.stdout.msg.includes(message), message);
    } else if (status !== undefined) assert.is(added, status);

    // containerd's own DELs: one after every ADD that fails, and another after the netns is gone.
    await standIn.del(pod).catch(() => {});
    if (own.some(({ env }) => env['CNI_NETNS'] === '')) await standIn.del(pod, '');
    for (const { env } of multus.filter(
      (call) => call.plugin === 'multus-shim' && call.env['CNI_NETNS'] === '',
    )) {
      const before = runtime.calls.length;
      await standIn.del(pod, env['CNI_NETNS'], false);
      assert.is(runtime.calls.length, before);
    }

    const here = runtime.calls.map(madeHere);
    let from = 0;
    for (const call of own) {
      const there = madeThere(call);
      const isIt = (made: Comparable) => JSON.stringify(made) === JSON.stringify(there);
      const at = here.findIndex((made, i) => i >= from && isIt(made));
      // If the call is missing, the nearest one shows why.
      if (at === -1) {
        const near = here
          .slice(from)
          .find((made) => made.plugin === there.plugin && made.command === there.command);
        assert.equal(near, there, `${call.name}, after ${from} calls`);
      }
      assert.ok(at >= from, call.name);
      from = at + 1;
    }
    // Calls of Tapwire count as replayed once the plugin was called.
    const others = own.filter(({ plugin }) => plugin !== 'tapwire');
    replayed(`by the stand-in for ${variant} Multus`, [
      path,
      ...[...others, ...multus].map((call) => call.path),
    ]);
  });
}

test("the stand-in passes on containerd's environment, and the variables of the daemon", () => {
  for (const { multus, env, plugin, name } of calls.filter(({ plugin }) => plugin.startsWith('multus'))) {
    const theirs = Object.entries(env).filter(([variable]) => !variable.startsWith('CNI_'));
    const byName = ([a]: [string, string], [b]: [string, string]) => (a < b ? -1 : 1);
    const ours = Object.entries(CONTAINERD_ENVIRONMENT);
    assert.equal(theirs.sort(byName), ours.sort(byName), `${plugin} (${multus}): ${name}`);
  }
});

test.run();
