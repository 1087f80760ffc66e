/**
 * Seeded random input, and calls that may not end. The same seed gives the same inputs in the same
 * order on every machine.
 */
import { execa } from 'execa';
import * as assert from 'uvu/assert';
import { KEYS_OF_BINDING } from '../../cni/request/config.ts';
import { HANG } from './hang.ts';
import type { OtherNode } from './plugin/cni.ts';
import { type CommandLine, plugin } from './plugin/way.ts';
import type { TestNetns } from './pod/netns.ts';

/** A stream of random numbers. */
export interface Random {
  /** An integer in 0..below-1. */
  below(below: number): number;
  /** True once in `n`. */
  oneIn(n: number): boolean;
  pick<T>(choices: readonly T[]): T;
  bytes(length: number): Buffer;
}

/** mulberry32: 32 bits of state, which is plenty for choosing inputs. */
export function newRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    oneIn: (n) => below(n) === 0,
    pick: (choices) => {
      const choice = choices[below(choices.length)];
      if (choice === undefined && choices.length === 0) throw new RangeError('Nothing to pick from');
      return choice as (typeof choices)[number];
    },
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}

/**
 * The seed in FUZZ_SEED. Without it the seed is constant, so that a test run means the same
 * everywhere.
 */
export const seedOf = (fallback: number): number => numberIn('FUZZ_SEED') ?? fallback;

/** The number of runs in FUZZ_RUNS, which replaces the default number. */
export const runsOf = (fallback: number): number => numberIn('FUZZ_RUNS') ?? fallback;

function numberIn(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,10}$/.test(text)) throw new Error(`Cannot read ${variable}: want a number, got "${text}"`);
  return Number(text);
}

/** Outcome of a call that may not end. */
export interface Outcome {
  /** Null if the call was killed. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/**
 * Calls the plugin with this environment and these bytes on stdin.
 *
 * @param node a netns to run it in, as if it were the host netns
 * @param agent if it is not that of the test file
 */
export async function boundedCall(
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array,
  node?: TestNetns,
): Promise<Outcome> {
  const entering = node === undefined ? [] : ['/usr/bin/nsenter', `--net=${node.path}`];
  return bounded(entering, await plugin({ PATH: '', ...env }), input);
}

/** Like `boundedCall`, on another node. */
export const boundedCallOn = async (
  { under, agent, nodeFile }: OtherNode,
  env: Readonly<Record<string, string>>,
  input: string | Uint8Array,
): Promise<Outcome> => bounded(under, await plugin({ PATH: '', ...env }, agent, nodeFile), input);

async function bounded(
  under: readonly string[],
  called: CommandLine,
  input: string | Uint8Array,
): Promise<Outcome> {
  const [file = '', ...words] = [...under, ...called.words];
  const { exitCode, stdout, stderr, timedOut } = await execa(file, words, {
    input,
    env: called.env,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    timeout: HANG,
    killSignal: 'SIGKILL',
    cwd: '/',
  });
  return { exitCode: exitCode ?? null, stdout, stderr, timedOut };
}

/** Returns the error object, which must be all of stdout; fails the test otherwise. */
export function errorOf(
  { exitCode, stdout, stderr, timedOut }: Outcome,
  why: string,
): { readonly code: number; readonly msg: string; readonly details?: string } {
  assert.not(timedOut, `${why}: it ends`);
  assert.is(exitCode, 1, `${why}: exit status; stdout is ${stdout.slice(0, 500)}`);
  const error = JSON.parse(stdout);
  assert.match(stdout, /^\{"cniVersion":"[^\n]*\}\n$/, `${why}: one document on one line`);
  assert.type(error.code, 'number', why);
  assert.type(error.msg, 'string', why);
  assert.is.not(error.code, 999, `${why}: a bug: ${error.msg} ${error.details}`);
  for (const line of stderr.trimEnd().split('\n')) assert.type(JSON.parse(line).message, 'string', why);
  return error;
}

// ---- inputs

/** Strings that programs have mistaken for something else. */
const STRINGS = [
  '',
  'eth0',
  'net1',
  'default',
  'blue',
  'lo',
  'all',
  '.',
  '..',
  '../..',
  '/etc/passwd',
  'a/b',
  'a:b',
  'a b',
  'a\nb',
  'a\u0000b',
  '\u00a0',
  '\u2028',
  '\ud800',
  '\u{1f600}',
  'ä',
  '%s%n',
  'sixteen-bytes-ab',
  'x'.repeat(300),
  '__proto__',
  'constructor',
  'toString',
  '0',
  '-1',
  'true',
  'null',
  '1.0.0',
  '0.4.0',
  '02:00:00:00:00:01',
  'ff:ff:ff:ff:ff:ff',
  '192.0.2.1',
  '192.0.2.1/24',
  '2001:db8::1/64',
  '::/0',
  '$(id)',
  '"',
  '\\',
] as const;

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  67,
  68,
  107,
  1450,
  1500,
  65_535,
  65_536,
  0.5,
  1e3,
  1e21,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  Number.POSITIVE_INFINITY,
  Number.NaN,
] as const;

/** Keys of the configuration, of what container runtimes add, and of every object. */
const KEYS = [
  'cniVersion',
  'CNIVersion',
  'name',
  'type',
  'binding',
  ...KEYS_OF_BINDING.tap,
  ...KEYS_OF_BINDING.macvtap,
  'PODLINK',
  'MTU',
  'args',
  'cni',
  'logicNetworkName',
  'mac',
  'ips',
  'labels',
  'runtimeConfig',
  'portMappings',
  'bandwidth',
  'dns',
  'ipRanges',
  'deviceID',
  'pciBusID',
  'capabilities',
  'prevResult',
  'interfaces',
  'routes',
  'address',
  'interface',
  'cni.dev/attachments',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  'then',
  'toJSON',
  '',
  'x',
] as const;

export function arbitraryString(random: Random): string {
  if (!random.oneIn(4)) return random.pick(STRINGS);
  return Array.from({ length: random.below(40) }, () =>
    String.fromCharCode(random.below(random.pick([128, 65_536]))),
  ).join('');
}

/** Any JSON value, at most `depth` levels deep. */
export function arbitraryValue(random: Random, depth: number, names: readonly string[] = KEYS): unknown {
  switch (random.below(depth > 0 ? 8 : 5)) {
    case 0:
      return null;
    case 1:
      return random.oneIn(2);
    case 2:
      return random.pick(NUMBERS);
    case 3:
    case 4:
      return arbitraryString(random);
    case 5:
      return Array.from({ length: random.below(4) }, () => arbitraryValue(random, depth - 1, names));
    default: {
      const target = {};
      for (let i = random.below(6); i > 0; i--)
        setOwn(target, random.pick(names), arbitraryValue(random, depth - 1, names));
      return target;
    }
  }
}

/** Sets a key as JSON.parse does: `__proto__` is a key like any other. */
function setOwn(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/**
 * A configuration of binding "tap". It has each of its keys, except "network", which excludes
 * "podLink".
 */
const VALID = {
  cniVersion: '1.0.0',
  name: 'tapwire-tap',
  type: 'tapwire',
  binding: 'tap',
  podLink: 'eth0',
  mtu: 1400,
  owner: 107,
  group: 'none',
  multiQueue: false,
  selinuxContext: 'system_u:system_r:container_t:s0:c1,c2',
  guestAddresses: 'pod',
  spoofGuard: 'addresses',
  capabilities: { mac: true, deviceID: true },
  deviceID: 'dataplane7',
  args: { cni: { logicNetworkName: 'default', ips: ['192.0.2.5/24'], labels: [{ key: 'a', value: 'b' }] } },
  runtimeConfig: {
    ips: ['192.0.2.5'],
    portMappings: [{ hostPort: 1, containerPort: 2, protocol: 'tcp' }],
    bandwidth: { ingressRate: 1, ingressBurst: 1 },
    dns: { servers: ['192.0.2.53'], searches: [], options: [] },
    ipRanges: [[{ subnet: '192.0.2.0/24' }]],
    infinibandGUID: '00:11:22:33:44:55:66:77',
    aliases: ['a'],
    cgroupPath: '/x',
    CNIDeviceInfoFile: '/x',
  },
  prevResult: {
    cniVersion: '1.0.0',
    interfaces: [
      { name: 'br0' },
      { name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1450, sandbox: '/run/netns/x' },
    ],
    ips: [{ interface: 1, address: '192.0.2.10/24', gateway: '192.0.2.1' }],
    routes: [{ dst: '0.0.0.0/0', gw: '192.0.2.1', mtu: 1400, table: 0 }],
    dns: { nameservers: ['192.0.2.53'] },
  },
};

/** Values of the keys of a macvtap; the other valid values are those of VALID. */
const VALID_MACVTAP = {
  master: 'eth0',
  mac: '02:00:00:00:00:01',
  queues: 2,
  promiscMode: false,
  owner: 107,
  group: 107,
};

const REJECTED_BY_MACVTAP = KEYS_OF_BINDING.tap.filter((key) => !KEYS_OF_BINDING.macvtap.includes(key));
const REJECTED_BY_PASST = KEYS_OF_BINDING.tap.filter((key) => !KEYS_OF_BINDING.passt.includes(key));

/** A valid configuration with up to `most` places changed, added or removed. */
export function arbitraryConf(random: Random, most = 4): Record<string, unknown> {
  const conf: Record<string, unknown> = JSON.parse(JSON.stringify(VALID));
  if (random.oneIn(5)) {
    conf['binding'] = 'passt';
    for (const key of REJECTED_BY_PASST) delete conf[key];
  } else if (random.below(5) === 0) {
    Object.assign(conf, { binding: 'macvtap' }, VALID_MACVTAP);
    for (const key of [...REJECTED_BY_MACVTAP, 'runtimeConfig', 'deviceID']) delete conf[key];
  } else if (random.oneIn(4)) {
    delete conf['podLink'];
    setOwn(conf, 'network', 'secondary');
  }
  conf['cniVersion'] = random.pick(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']);
  if (!random.oneIn(8)) setOwn(conf['prevResult'] as object, 'cniVersion', conf['cniVersion']);
  for (const key of ['deviceID', 'runtimeConfig', 'prevResult', 'podLink', 'mtu'])
    if (random.oneIn(2)) delete conf[key];
  changeSome(random, conf, most);
  return conf;
}

const MACVTAP_KEYS = ['master', 'queues', 'promiscMode', 'mode', 'lowerDevice'];

/** Like `arbitraryConf`, for binding "macvtap" on this device. */
export function arbitraryMacvtapConf(random: Random, device: Device, most = 3): Record<string, unknown> {
  const { args, runtimeConfig, prevResult }: typeof VALID = JSON.parse(JSON.stringify(VALID));
  const conf: Record<string, unknown> = {
    cniVersion: random.pick(['0.3.1', '0.4.0', '1.0.0', '1.1.0']),
    name: 'lan',
    type: 'tapwire',
    binding: 'macvtap',
    deviceID: device.id,
    master: device.master,
    mtu: 1400,
    mac: '02:00:00:00:00:01',
    queues: 2,
    owner: 107,
    group: 0,
    promiscMode: false,
    args: { cni: { ips: args.cni.ips, labels: args.cni.labels } },
    runtimeConfig,
    prevResult,
  };
  if (!random.oneIn(8)) setOwn(prevResult, 'cniVersion', conf['cniVersion']);
  for (const key of Object.keys(conf).slice(4)) if (random.oneIn(3)) delete conf[key];
  changeSome(random, conf, most, [...KEYS, ...MACVTAP_KEYS]);
  return conf;
}

/** What a configuration of "macvtap" may name. */
export interface Device {
  readonly id: string;
  readonly master: string;
}

/** Changes, adds or removes up to `most` places of a configuration. */
function changeSome(random: Random, conf: object, most: number, names: readonly string[] = KEYS): void {
  for (let changes = random.below(most + 1); changes > 0; changes--) {
    let target: object = conf;
    for (;;) {
      const children = Object.values(target).filter((child) => typeof child === 'object' && child !== null);
      if (children.length === 0 || random.oneIn(3)) break;
      target = random.pick(children);
    }
    const keys = Object.keys(target);
    const key = keys.length > 0 && !random.oneIn(3) ? random.pick(keys) : random.pick(names);
    if (Array.isArray(target)) target.push(arbitraryValue(random, 2, names));
    else if (random.oneIn(5)) Reflect.deleteProperty(target, key);
    else setOwn(target, key, arbitraryValue(random, 3, names));
  }
}

/** Bytes with up to eight of them flipped, removed, repeated or inserted. */
export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  let mutated = bytes;
  for (let changes = random.below(9); changes > 0; changes--) {
    const at = random.below(mutated.length + 1);
    const [head, tail] = [mutated.subarray(0, at), mutated.subarray(at)];
    switch (random.below(5)) {
      case 0:
        mutated = Buffer.concat([head, random.bytes(1), tail.subarray(1)]);
        break;
      case 1:
        mutated = Buffer.concat([head, tail.subarray(1 + random.below(8))]);
        break;
      case 2:
        mutated = Buffer.concat([head, tail.subarray(0, random.below(32)), tail]);
        break;
      case 3:
        mutated = Buffer.concat([head, random.bytes(random.below(8)), tail]);
        break;
      default:
        mutated = Buffer.concat([
          head,
          Buffer.from(random.pick(['"', '{', '[', '\\', ',', '}', ']', ':', '\0'])),
          tail,
        ]);
    }
  }
  return mutated;
}

/** stdin: noise, brackets, half a document, or a configuration with some bytes changed. */
export function arbitraryBytes(random: Random): Buffer {
  switch (random.below(5)) {
    case 0:
      return random.bytes(random.below(300));
    case 1:
      return Buffer.from(random.pick(['[', '{"a":', '"', '\\', '{"']).repeat(random.below(3000)));
    case 2: {
      const whole = Buffer.from(JSON.stringify(arbitraryConf(random)));
      return whole.subarray(0, random.below(whole.length));
    }
    default:
      return mutateBytes(random, Buffer.from(JSON.stringify(arbitraryConf(random))));
  }
}

export function arbitraryCniArgs(random: Random): string {
  const key = () =>
    random.oneIn(4)
      ? arbitraryString(random)
      : random.pick([
          'IgnoreUnknown',
          'K8S_POD_NAMESPACE',
          'K8S_POD_NAME',
          'K8S_POD_UID',
          'MAC',
          'IP',
          'ignoreunknown',
        ]);
  const value = () =>
    random.oneIn(2)
      ? random.pick(['1', 'true', 'false', '02:00:00:00:00:01', 'vms'])
      : arbitraryString(random);
  const pairs = Array.from(
    { length: random.below(7) },
    () => `${key()}${random.oneIn(8) ? '' : '='}${value()}`,
  );
  return pairs.join(random.oneIn(8) ? ';;' : ';');
}

/** CNI's variables, each valid, odd or missing. A variable cannot contain a NUL. */
export function arbitraryEnvironment(random: Random): Record<string, string> {
  const valid: Record<string, string> = {
    CNI_COMMAND: random.pick(['ADD', 'ADD', 'DEL', 'CHECK', 'STATUS', 'GC', 'VERSION']),
    CNI_CONTAINERID: 'pod1',
    CNI_NETNS: '/run/netns/none',
    CNI_IFNAME: random.pick(['net1', 'eth0', 'pod16477688c0e']),
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: random.oneIn(4) ? arbitraryCniArgs(random) : 'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms',
  };
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(valid)) {
    if (random.oneIn(60)) continue;
    env[name] = (random.oneIn(30) ? arbitraryString(random) : value).replaceAll('\0', '');
  }
  return env;
}
