/**
 * A small container runtime: runs the plugins of a network configuration list as libcni does. The
 * executables and environments are real, but the netns is the test's own, so that bridges, routes
 * and leases never reach this machine.
 *
 * Source: containernetworking/cni libcni, pkg/invoke
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { outsideRoot } from '../plugin/outside-root.ts';
import { NODE_FILE, plugin, TAPWIRE } from '../plugin/way.ts';
import { dumpNetns, type TestNetns, withNetns } from '../pod/netns.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test compares the whole of it with what it expects
export type Json = any;
export type Plugin = Readonly<Record<string, unknown>> & { readonly type: string };

/** A network configuration list (CNI SPEC §1). */
export interface NetworkList {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly Plugin[];
  /**
   * Whether this is one plugin's configuration and not a list: then the plugin's error is not
   * wrapped.
   */
  readonly isSingle?: true;
}

/** The runtime's parameters of one attachment, besides the network's configuration. */
export interface Attach {
  readonly containerId: string;
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS. */
  readonly args?: string;
  /** Values that the runtime can pass to plugins that declare the capability. */
  readonly capabilityArgs?: Readonly<Record<string, unknown>>;
}

/** One call of one plugin. */
export interface Invocation {
  readonly command: string;
  readonly type: string;
  readonly conf: Json;
  readonly env: Readonly<Record<string, string>>;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Runtime {
  /**
   * Runs the plugins in order, each with the result of the one before. The first that fails ends
   * the run.
   */
  add(list: NetworkList, attach: Attach): Promise<Json>;
  check(list: NetworkList, attach: Attach): Promise<void>;
  /** Runs the plugins in reverse order. The first that fails ends the run. */
  del(list: NetworkList, attach: Attach): Promise<void>;
  status(list: NetworkList): Promise<void>;
  /** Runs DEL for every attachment of this network that is not in `valid`, then GC. */
  gc(list: NetworkList, valid: readonly Pick<Attach, 'containerId' | 'ifname'>[]): Promise<void>;
  /** Every call so far, oldest first. */
  readonly calls: readonly Invocation[];
}

/** The machine that the plugins run on. */
export interface TestNode {
  readonly netns: TestNetns;
  /** A directory for the plugins' files. */
  readonly directory: string;
  /** Addresses that host-local has assigned, according to the directory `leases`. */
  readonly leases: () => readonly string[];
}

const DEBIAN_PLUGINS = '/usr/lib/cni';

/**
 * A node with a bridge `cni0`, a NIC `uplink0` and a spare one `nic0`. Its bridge has a fixed MAC
 * and no link on it generates addresses, so that the state can be compared with that before.
 */
export function withNode<T>(act: (node: TestNode) => Promise<T>): Promise<T> {
  return withNetns(async (netns) => {
    const directory = mkdtempSync(join(tmpdir(), 'tapwire-node-'));
    try {
      await sysctl(netns, 'net/ipv6/conf/default/addr_gen_mode', 1);
      await sysctl(netns, 'net/ipv6/conf/default/dad_transmits', 0);
      await netns.ip('link set lo up');
      await netns.ip('link add cni0 address 02:00:00:00:0c:01 type bridge');
      await netns.ip('link set cni0 up');
      for (const nic of ['uplink0', 'nic0']) {
        await netns.ip(`link add ${nic} type veth peer name wire-${nic}`);
        await netns.ip(`link set wire-${nic} up`);
      }
      await netns.ip('link set uplink0 up');
      // What remains of a NIC that was moved exists from the start, or not at all: host-device's
      // alias, and routes of its peer.
      await netns.ip('link set nic0 alias nic0');
      await sysctl(netns, 'net/ipv6/conf/wire-nic0/disable_ipv6', 1);
      await netns.ip('link set wire-uplink0 master cni0'); // gives it a carrier without pods too
      return await act({ netns, directory, leases: () => leasesIn(join(directory, 'leases')) });
    } finally {
      rmSync(directory, { recursive: true });
      rmSync(NODE_FILE, { force: true });
    }
  });
}

/**
 * The state that DEL must restore on a node, without what changes by itself: its bridge counts
 * seconds, and the peer of a NIC that was moved notices it late.
 */
export async function dumpNode({ netns }: TestNode): Promise<Readonly<Record<string, unknown>>> {
  const isRestless = (key: string) => key.endsWith('_timer') || key === 'operstate';
  return JSON.parse(
    JSON.stringify(await dumpNetns(netns), (key, value) => (isRestless(key) ? undefined : value)),
  );
}

/**
 * Host-local names files after the addresses that it has assigned. It keeps its lock and its
 * position next to them.
 */
function leasesIn(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.includes('/') && !/\/(lock|last_reserved_ip\.\d+)$/.test(path),
  );
}

/** The netns of a sandbox as a container runtime creates it: with nothing but `lo`, up. */
export function withSandbox<T>(act: (netns: TestNetns) => Promise<T>): Promise<T> {
  return withNetns(async (netns) => {
    await sysctl(netns, 'net/ipv6/conf/default/dad_transmits', 0);
    await netns.ip('link set lo up');
    return act(netns);
  });
}

/** One call of a plugin, before it is made. */
export interface PluginCall {
  readonly command: string;
  readonly type: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
}

export type Printed = Pick<Invocation, 'exitCode' | 'stdout' | 'stderr'>;

export interface RuntimeOptions {
  readonly node: TestNode;
  /** The runtime's own environment, which its plugins inherit. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Multus in place of a runtime: thin names the directory of plugins twice, thick calls from
   * outside of the root directory.
   */
  readonly multus?: 'thin' | 'thick';
  /** Content of /etc/tapwire/node.json. */
  readonly nodeFile?: Readonly<Record<string, unknown>>;
}

export function openRuntime({ node, env = {}, multus, nodeFile }: RuntimeOptions): Runtime {
  const single = `${dirname(TAPWIRE)}:${DEBIAN_PLUGINS}`;
  const cniPath = multus === 'thin' ? `${single}:${single}` : single;
  if (nodeFile !== undefined) writeFileSync(NODE_FILE, JSON.stringify(nodeFile), { mode: 0o600 });

  async function execute({ type, env: variables, input }: PluginCall): Promise<Printed> {
    const program = findPlugin(type, cniPath);
    const called =
      program === TAPWIRE ? await plugin(variables) : { words: [program] as const, env: variables };
    const inNode = {
      ...called,
      words: ['/usr/sbin/ip', 'netns', 'exec', node.netns.name, ...called.words] as const,
    };
    const { words, env: environment } = multus === 'thick' ? await outsideRoot(inNode) : inNode;
    const [file, ...args] = words;
    const options = { input, env: environment, extendEnv: false, reject: false, cwd: '/' } as const;
    const { exitCode = -1, stdout, stderr } = await execa(file, args, options);
    return { exitCode, stdout, stderr };
  }

  return runtimeOver(execute, env, cniPath);
}

/**
 * The part of a runtime that decides what plugins are called with.
 *
 * @param execute makes the calls
 */
export function runtimeOver(
  execute: (call: PluginCall) => Promise<Printed>,
  env: Readonly<Record<string, string>>,
  cniPath: string,
): Runtime {
  const calls: Invocation[] = [];
  const cache = new Map<
    string,
    { readonly list: NetworkList; readonly attach: Attach; readonly result: Json }
  >();
  async function invoke(command: string, type: string, conf: Json, attach?: Attach): Promise<string> {
    const variables = {
      ...env,
      CNI_COMMAND: command,
      CNI_CONTAINERID: attach?.containerId ?? '',
      CNI_NETNS: attach?.netns ?? '',
      CNI_IFNAME: attach?.ifname ?? '',
      CNI_ARGS: attach?.args ?? '',
      CNI_PATH: cniPath,
    };
    const printed = await execute({ command, type, env: variables, input: JSON.stringify(conf) });
    const { exitCode, stdout, stderr } = printed;
    calls.push({ command, type, conf, env: variables, ...printed });
    if (exitCode !== 0) throw pluginError(stdout, stderr, exitCode);
    return stdout;
  }

  /** The result that later commands get. Versions before 0.4.0 pass none to DEL. */
  const cachedResult = (list: NetworkList, attach: Attach): Json =>
    list.cniVersion >= '0.4.0' ? cache.get(cacheKey(list, attach))?.result : undefined;

  async function del(list: NetworkList, attach: Attach): Promise<void> {
    const prevResult = cachedResult(list, attach);
    for (const plugin of [...list.plugins].reverse()) {
      const conf = confOf(list, plugin, attach, prevResult);
      await wrapped(list, plugin, 'delete', invoke('DEL', plugin.type, conf, attach));
    }
    cache.delete(cacheKey(list, attach));
  }

  return {
    calls,
    async add(list, attach) {
      if (attach.ifname === '') throw new Error('interface name is empty');
      let result: Json;
      for (const plugin of list.plugins) {
        const conf = confOf(list, plugin, attach, result);
        const stdout = await wrapped(list, plugin, 'add', invoke('ADD', plugin.type, conf, attach));
        result = injectable(JSON.parse(stdout), list.cniVersion);
      }
      cache.set(cacheKey(list, attach), { list, attach, result });
      return result;
    },
    async check(list, attach) {
      if (list.cniVersion < '0.4.0') {
        throw new Error(`configuration version "${list.cniVersion}" does not support the CHECK command`);
      }
      const prevResult = cachedResult(list, attach);
      for (const plugin of list.plugins) {
        const conf = confOf(list, plugin, attach, prevResult);
        await wrapped(list, plugin, 'check', invoke('CHECK', plugin.type, conf, attach));
      }
    },
    del,
    async status(list) {
      if (list.cniVersion < '1.1.0') return;
      for (const plugin of list.plugins) await invoke('STATUS', plugin.type, confOf(list, plugin));
    },
    async gc(list, valid) {
      const isValid = ({ containerId, ifname }: Attach) =>
        valid.some((one) => one.containerId === containerId && one.ifname === ifname);
      const failures: string[] = [];
      const collect = (error: Error) => failures.push(error.message);
      for (const entry of [...cache.values()]) {
        if (entry.list.name === list.name && !isValid(entry.attach))
          await del(entry.list, entry.attach).catch(collect);
      }
      const attachments = valid.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }));
      const written = attachments.length === 0 ? null : attachments; // as Go writes an empty list
      const told = { 'cni.dev/valid-attachments': written, 'cni.dev/attachments': written };
      for (const plugin of list.cniVersion < '1.1.0' ? [] : list.plugins) {
        await wrapped(
          list,
          plugin,
          'gc',
          invoke('GC', plugin.type, { ...confOf(list, plugin), ...told }),
        ).catch(collect);
      }
      if (failures.length > 0) throw new Error(failures.join('\n'));
    },
  };
}

/** One plugin's configuration as it gets it on stdin. Keys are sorted, as Go writes maps. */
function confOf(list: NetworkList, plugin: Plugin, attach?: Attach, prevResult?: Json): Json {
  const declared = Object.entries((plugin['capabilities'] ?? {}) as Record<string, boolean>);
  const runtimeConfig = Object.fromEntries(
    declared
      .filter(([capability, wanted]) => wanted && attach?.capabilityArgs?.[capability] !== undefined)
      .map(([capability]) => [capability, attach?.capabilityArgs?.[capability]]),
  );
  return sorted({
    ...plugin,
    name: list.name,
    cniVersion: list.cniVersion ?? '',
    ...(prevResult === undefined ? {} : { prevResult }),
    ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
  });
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]));
}

/**
 * A result as the library writes it: in the configuration's version, with the `dns` that versions
 * before 1.0.0 always have.
 */
const injectable = (result: Json, cniVersion: string): Json => ({
  ...(cniVersion < '1.0.0' ? { dns: {} } : {}),
  ...(result ?? {}),
  cniVersion,
});

const cacheKey = ({ name }: NetworkList, { containerId, ifname }: Attach): string =>
  `${name}-${containerId}-${ifname}`;

/** The first regular file of this name; like libcni, ignores whether it is executable. */
function findPlugin(type: string, cniPath: string): string {
  const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  const found = cniPath
    .split(':')
    .map((directory) => join(directory, type))
    .find(isFile);
  if (found === undefined) throw new Error(`failed to find plugin "${type}" in path [${cniPath}]`);
  return found;
}

/** The error of a plugin that fails. `cause` is its error object. */
function pluginError(stdout: string, stderr: string, exitCode: number | undefined): Error {
  if (stdout === '') return new Error(`netplugin failed: ${JSON.stringify(stderr)}: exit status ${exitCode}`);
  try {
    const cause = JSON.parse(stdout);
    return new Error(cause.details ? `${cause.msg}; ${cause.details}` : cause.msg, { cause });
  } catch {
    return new Error(`netplugin failed but error parsing its diagnostic message ${JSON.stringify(stdout)}`);
  }
}

async function wrapped<T>(
  { isSingle }: NetworkList,
  plugin: Plugin,
  verb: string,
  call: Promise<T>,
): Promise<T> {
  if (isSingle) return call;
  const name = plugin['name'] === undefined ? '' : ` name="${plugin['name']}"`;
  return call.catch((error: Error) => {
    throw new Error(`plugin type="${plugin.type}"${name} failed (${verb}): ${error.message}`, {
      cause: error.cause,
    });
  });
}

async function sysctl({ name }: TestNetns, key: string, value: number): Promise<void> {
  await execa('ip', ['netns', 'exec', name, 'sh', '-c', `echo ${value} > /proc/sys/${key}`]);
}
