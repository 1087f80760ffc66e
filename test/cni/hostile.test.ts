/**
 * NADs, environments, paths and node policy files as an attacker would write them. Each is rejected
 * by name, in bounded time, with one JSON document, and changes neither the pod nor the node.
 * Harmless input works, and DEL undoes it.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KEYS_OF_BINDING } from '../../cni/request/config.ts';
import { boundedCall, errorOf, type Outcome } from '../helpers/fuzz.ts';
import { withNodeFile } from '../helpers/plugin/cni.ts';
import { inOneWay, NODE_FILE } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, type TestNetns, withNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('hostile input');
const test = inOneWay(everyWay);

type Env = Readonly<Record<string, string>>;
type Conf = Readonly<Record<string, unknown>>;

const BASE = { cniVersion: '1.0.0', name: 'hostile', type: 'tapwire' };
const PRIMARY = { ...BASE, args: { cni: { logicNetworkName: 'default' } } };
const KEY: Env = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'pod1',
  CNI_IFNAME: 'net1',
  CNI_PATH: '/opt/cni/bin',
};

/** Directories in which Tapwire could leave files. */
const DIRECTORIES = [
  '/run/tapwire',
  '/etc/tapwire',
  '/var/lib/tapwire',
  '/var/lib/cni/tapwire',
  '/var/run/tapwire',
];

function listFiles(): readonly string[] {
  return DIRECTORIES.filter((directory) => existsSync(directory)).flatMap((directory) =>
    [
      directory,
      ...readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name)),
    ].map((path) => `${path} ${lstatSync(path).mtimeMs}`),
  );
}

/** A pod, a netns that plays the node, and the state of both before. */
interface Stage {
  readonly pod: TestNetns;
  readonly node: TestNetns;
  /** Calls the executable on the node; `env` overrides the pod's variables. */
  call(env: Env, input: string | Uint8Array): Promise<Outcome>;
  /** Fails unless pod, node and files are as before. */
  unchanged(why: string): Promise<void>;
}

/** Runs `act`, then compares the node, whose own eth0 is what an attack could damage. */
const onStage = (act: (stage: Stage) => Promise<unknown>): Promise<void> =>
  withPod('eth0', (node) =>
    withPod('eth0', async (pod) => {
      const [podBefore, nodeBefore, filesBefore] = [await dumpNetns(pod), await dumpNetns(node), listFiles()];
      await act({
        pod,
        node,
        call: (env, input) => boundedCall({ ...KEY, CNI_NETNS: pod.path, ...env }, input, node),
        unchanged: async (why) => sameNetns(await dumpNetns(pod), podBefore, `the pod after ${why}`),
      });
      sameNetns(await dumpNetns(pod), podBefore, 'the pod at the end');
      sameNetns(await dumpNetns(node), nodeBefore, 'the node at the end');
      assert.equal(listFiles(), filesBefore);
    }),
  );

const shorten = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 50 ? `${text.slice(0, 50)}…` : text;
};

/**
 * Longest message of an error. Errors end up in logs and events, and the author of the input must
 * not choose their length.
 */
const MOST_SAID = 1000;

/**
 * Asserts that ADD is rejected with this code and matching words. The stage checks at its end that
 * the pod is unchanged, because nothing here deletes.
 */
async function refuses(
  { call }: Stage,
  why: string,
  want: { readonly code: number; readonly names: RegExp },
  env: Env,
  input: string | Uint8Array,
): Promise<void> {
  const error = errorOf(await call(env, input), why);
  assert.is(error.code, want.code, `${why}: ${error.msg}`);
  const said = `${error.msg} ${error.details ?? ''}`;
  assert.match(said, want.names, why);
  assert.ok(said.length < MOST_SAID, `${why}: an error of ${said.length} characters`);
}

/** Asserts that DEL succeeds, because a runtime calls it after every ADD that fails. */
async function isDeleted({ call }: Stage, why: string, env: Env, input: string | Uint8Array): Promise<void> {
  const { exitCode, stdout } = await call({ ...env, CNI_COMMAND: 'DEL' }, input);
  assert.equal([exitCode, stdout], [0, ''], `DEL of ${why}`);
}

/** Asserts that ADD succeeds and that DEL undoes all of it. */
async function harmless({ call, unchanged }: Stage, why: string, env: Env, input: string): Promise<Outcome> {
  const outcome = await call(env, input);
  assert.is(outcome.exitCode, 0, `${why}: ${outcome.stdout.slice(0, 300)}`);
  JSON.parse(outcome.stdout);
  const del = await call({ ...env, CNI_COMMAND: 'DEL' }, input);
  assert.equal([del.exitCode, del.stdout], [0, ''], why);
  await unchanged(why);
  return outcome;
}

const long = (length: number): string => 'x'.repeat(length);

/** Bad values by key. Each is rejected with code 7 and the path of the key. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  podLink: [
    '../..',
    '/proc/sys/net',
    'lo',
    'all',
    'default',
    '.',
    '..',
    ' ',
    'sixteen-bytes-ab',
    'äääääääá',
    'eth0\u0000',
    'a\u0000b',
    'eth0\n',
    'eth 0',
    'eth\u00a00',
    'eth\u20030',
    'eth\u30000',
    'a:b',
    long(10_000),
    0,
    true,
    {},
    ['eth0'],
  ],
  owner: [-1, 2 ** 32, 2 ** 32 - 1, 0.5, '0', '107', 'root', 'NONE', ' ', true, {}, [0]],
  group: [-1, 2 ** 32, 2 ** 32 - 1, 1e300, '0', 'kvm', false, {}, []],
  network: ['primary', 'Secondary', 'secondary\n', ' ', long(10_000), 0, true, {}, ['secondary']],
  guestAddresses: ['Pod', 'pod\n', 'pods', ' ', 'dhcp', long(10_000), 0, true, {}, ['pod']],
  // "addresses" needs "guestAddresses": "pod".
  spoofGuard: ['addresses', 'MAC', 'mac\n', 'on', ' ', long(10_000), 0, true, {}, ['mac']],
  mtu: ['', -1, 67, 65536, 2 ** 31, '1500', 1500.5, true, {}, [1500]],
  multiQueue: ['', 'true', 'yes', 0, 1, {}, []],
  binding: ['bridge', 'Tap', ' ', 'Macvtap', '../tap', 1, {}, ['tap']],
  selinuxContext: [
    'system_u:system_r:container_t:s0\n',
    'a:b:c\nd:e:f',
    'a;b:c:d',
    '../../attr',
    'a:b:c\u0000',
    ' ',
    `a:b:${long(10_000)}`,
    1,
    {},
  ],
  args: ['x', 1, [], true],
  'args.cni': ['x', 1, [], true],
  'args.cni.logicNetworkName': [
    '../..',
    'a/b',
    'a.b',
    'a b',
    'a\nb',
    'a\u0000',
    'ä',
    ' ',
    long(254),
    long(10_240),
    1,
    {},
    [],
  ],
  'args.cni.mac': ['x', '01:00:00:00:00:01', '00:00:00:00:00:00', '02:00:00:00:00:01\n', long(10_000), 1, {}],
  'args.cni.ips': ['192.0.2.1', {}, ['x'], [1], ['192.0.2.1/33'], ['192.0.2.1/24/24'], ['::1%lo\n']],
  'args.cni.labels': ['x', [1], [{}], [{ key: 1, value: 'x' }]],
  runtimeConfig: ['x', 1, [], true],
  'runtimeConfig.mac': [
    'ff:ff:ff:ff:ff:ff',
    '01-00-5e-00-00-01',
    '02-00:00:00:00:01',
    '02:00:00:00:00:0g',
    1,
    {},
    [],
  ],
  'runtimeConfig.ips': ['x', [{}], ['fe80::/129'], ['1.2.3']],
  'runtimeConfig.portMappings': [
    'x',
    [1],
    [{}],
    [{ hostPort: -1, containerPort: 80 }],
    [{ containerPort: 65536 }],
  ],
  'runtimeConfig.bandwidth': [
    'x',
    [],
    { ingressRate: -1 },
    { egressBurst: Number.POSITIVE_INFINITY },
    { egressRate: '1' },
  ],
  'runtimeConfig.dns': ['x', { servers: [1] }, { searches: 'x' }, { options: {} }],
  'runtimeConfig.ipRanges': ['x', [1], [['x']]],
  'runtimeConfig.infinibandGUID': ['x', 1, '00:11:22:33:44:55:66'],
  'runtimeConfig.deviceID': [' ', 'a b', 'a\nb', '\u0000', long(10_000), 1],
  'runtimeConfig.aliases': ['x', [1]],
  'runtimeConfig.cgroupPath': [1, {}, []],
  'runtimeConfig.CNIDeviceInfoFile': [1, {}, []],
  capabilities: ['x', 1, []],
  deviceID: [0, 'a b', 'a\nb', 1, {}],
  pciBusID: [0, '\t', 1, {}],
  prevResult: [
    'x',
    1,
    [],
    true,
    { interfaces: 'x' },
    { interfaces: [1] },
    { interfaces: [[]] },
    { interfaces: [{ name: 1 }] },
    { interfaces: [{ name: 'x', mtu: -2 }] },
    { ips: {} },
    { ips: [{}] },
    { ips: [{ address: 'x' }] },
    { ips: [{ address: '1.2.3.4/33' }] },
    { ips: [{ address: '1.2.3.4/24', interface: -2 }] },
    { ips: [{ address: '1.2.3.4/24', interface: 2 ** 31 }] },
    { routes: [{ dst: '../..' }] },
    { dns: 'x' },
    { cniVersion: '0.4.0' },
    { cniVersion: '9.9.9' },
    { cniVersion: long(10_000) },
    { cniVersion: 1 },
  ],
};

// The keys of a macvtap have theirs in unit/cni/request/macvtap-config.
test('VALUES has bad values of each key of tap and passt', () => {
  const keys = new Set([...KEYS_OF_BINDING.tap, ...KEYS_OF_BINDING.passt]);
  assert.equal(
    [...keys].filter((key) => !Object.hasOwn(VALUES, key)),
    [],
  );
});

/** Returns PRIMARY with a value at a path of keys. */
function withValue(path: string, value: unknown): Conf {
  const keys = path.split('.');
  const set = (target: Conf, [key = '', ...rest]: readonly string[]): Conf => ({
    ...target,
    [key]: rest.length === 0 ? value : set((target[key] ?? {}) as Conf, rest),
  });
  return set(PRIMARY, keys);
}

/** Top-level keys, each tested with all the bad values under it. */
const TOPS = [...new Set(Object.keys(VALUES).map((path) => path.split('.')[0] ?? ''))];
for (const top of TOPS) {
  const paths = Object.entries(VALUES).filter(([path]) => path.split('.')[0] === top);
  test(`ADD rejects ${paths.flatMap(([, values]) => values).length} bad values of $.${top}`, () =>
    onStage(async (stage) => {
      for (const [path, values] of paths) {
        const names = new RegExp(`\\$\\.${path.replaceAll('.', '\\.')}\\b`);
        for (const value of values) {
          // JSON has no Infinity, but 1e400 is read as one.
          const input = JSON.stringify(withValue(path, value)).replace(':null}', ':1e400}');
          await refuses(stage, `${path} ${shorten(value)}`, { code: 7, names }, {}, input);
        }
      }
    }));
}

test('ADD rejects numbers that JSON can write and no kernel has', () =>
  onStage(async (stage) => {
    for (const key of ['mtu', 'owner', 'group']) {
      for (const number of ['1e400', '-1e400', '1e309', `${'9'.repeat(1000)}`, '1e-400', '-0.1']) {
        if (number === '1e-400') continue; // read as 0
        const input = `${JSON.stringify(PRIMARY).slice(0, -1)},"${key}":${number}}`;
        await refuses(stage, `${key} ${number}`, { code: 7, names: new RegExp(`\\$\\.${key}`) }, {}, input);
      }
    }
    for (const owner of ['1e3', '0', '-0', '107.0', '4294967294', '"none"']) {
      await harmless(
        stage,
        `owner ${owner}`,
        {},
        `${JSON.stringify(PRIMARY).slice(0, -1)},"owner":${owner}}`,
      );
    }
  }));

/** Keys that every object in JavaScript inherits, or that change an object's prototype. */
const INHERITED = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'then',
  '__defineGetter__',
];
const PLACES = [
  '',
  'args',
  'args.cni',
  'runtimeConfig',
  'runtimeConfig.dns',
  'runtimeConfig.bandwidth',
  'capabilities',
  'prevResult',
  'prevResult.dns',
] as const;

test('keys that every object inherits are treated like other keys at every level', () =>
  onStage(async (stage) => {
    const poison = {
      podLink: 'lo',
      mtu: 67,
      owner: -1,
      binding: 'bridge',
      logicNetworkName: '../..',
      mac: 'x',
      ips: 1,
    };
    const hostile = INHERITED.map((key) => `"${key}":${JSON.stringify(poison)}`).join(',');
    for (const place of PLACES) {
      const marked = place === '' ? { ...PRIMARY, MARK: 1 } : withValue(`${place}.MARK`, 1);
      const input = JSON.stringify(marked).replace('"MARK":1', hostile);
      const { stdout } = await harmless(stage, place, {}, input);
      if (!place.startsWith('prevResult')) continue;
      const { cniVersion: _, ...rest } = JSON.parse(stdout);
      assert.is(
        JSON.stringify(rest),
        JSON.stringify(JSON.parse(input).prevResult),
        'the result passes through',
      );
    }
  }));

test('keys that every object inherits are treated like other values', () =>
  onStage(async (stage) => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
      await harmless(stage, name, { CNI_CONTAINERID: name }, JSON.stringify({ ...PRIMARY, name }));
      await harmless(stage, name, {}, JSON.stringify(withValue('args.cni.logicNetworkName', name)));
    }
    const versions = ['__proto__', 'constructor', 'toString'];
    for (const cniVersion of versions) {
      const want = { code: 1, names: /config is "/ };
      await refuses(stage, cniVersion, want, {}, JSON.stringify({ ...PRIMARY, cniVersion }));
    }
  }));

const MIB = 1024 * 1024;
const padded = (length: number): string => {
  const text = JSON.stringify(PRIMARY);
  return text + ' '.repeat(length - text.length);
};
const TOO_LARGE = { code: 6, names: /^Cannot read the network configuration: more than 1048576 bytes/ };
const TOO_DEEP = {
  code: 6,
  names: /^Cannot parse the network configuration: nested more than 64 levels deep/,
};
const NO_JSON = { code: 6, names: /^Cannot parse the network configuration: / };

/** stdin that is not a configuration. */
const INPUTS: readonly (readonly [string, string | Uint8Array, { code: number; names: RegExp }])[] = [
  ['nothing', '', NO_JSON],
  ['1 MiB of [', '['.repeat(MIB), TOO_DEEP],
  ['1 MiB of {"a":', '{"a":'.repeat(MIB / 5), TOO_DEEP],
  ['1 MiB of "', '"'.repeat(MIB), NO_JSON],
  ['1 MiB of backslashes', '\\'.repeat(MIB), NO_JSON],
  ['1 MiB of ]', ']'.repeat(MIB), NO_JSON],
  ['1 MiB of NUL', new Uint8Array(MIB), NO_JSON],
  ['1 MiB of 0xff', new Uint8Array(MIB).fill(0xff), NO_JSON],
  ['1 MiB of digits', '9'.repeat(MIB), { code: 6, names: /want an object/ }],
  ['1 MiB plus a byte', padded(MIB + 1), TOO_LARGE],
  ['8 MiB', padded(8 * MIB), TOO_LARGE],
  ['65 nested objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, TOO_DEEP],
  [
    '65 lists under a key',
    JSON.stringify(PRIMARY).replace('}', `,"x":${'['.repeat(64)}${']'.repeat(64)}}`),
    TOO_DEEP,
  ],
  ['two documents', JSON.stringify(PRIMARY) + JSON.stringify(PRIMARY), NO_JSON],
  ['a byte order mark', `\ufeff${JSON.stringify(PRIMARY)}`, NO_JSON],
  ['UTF-16', Buffer.from(JSON.stringify(PRIMARY), 'utf16le'), NO_JSON],
  ['a NUL at its end', `${JSON.stringify(PRIMARY)}\0`, NO_JSON],
  ['an unescaped newline in a name', '{"cniVersion":"1.0.0","name":"a\nb"}', NO_JSON],
  ['NaN', '{"cniVersion":"1.0.0","name":"x","mtu":NaN}', NO_JSON],
  ['a name with a NUL', '{"cniVersion":"1.0.0","name":"a\\u0000b"}', { code: 7, names: /network name/ }],
  [
    'half a surrogate in a name',
    '{"cniVersion":"1.0.0","name":"a\\ud800"}',
    { code: 7, names: /network name/ },
  ],
  [
    'a name of 1 MB that is bad',
    JSON.stringify({ ...PRIMARY, name: `${long(1e6)}%` }),
    { code: 7, names: /network name/ },
  ],
  [
    'a version of 1 MB',
    JSON.stringify({ ...PRIMARY, cniVersion: '1'.repeat(1e6) }),
    { code: 1, names: /incompatible/ },
  ],
  [
    'a version that is a number',
    JSON.stringify({ ...PRIMARY, cniVersion: 1 }),
    { code: 7, names: /\$\.cniVersion/ },
  ],
];

everyWay(`ADD rejects ${INPUTS.length} kinds of stdin that are not a configuration`, () =>
  onStage(async (stage) => {
    for (const [why, input, want] of INPUTS) {
      await refuses(stage, why, want, {}, input);
      await isDeleted(stage, why, {}, input);
    }
  }),
);

test('ADD accepts large and odd configurations that are valid', () =>
  onStage(async (stage) => {
    await harmless(stage, '1 MiB', {}, padded(MIB));
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`key${i}`, i]));
    await harmless(stage, '50,000 unknown keys', {}, JSON.stringify({ ...PRIMARY, ...many }));
    const interfaces = Array.from({ length: 10_000 }, (_, i) => ({
      name: `x${i}`,
      mac: '02:00:00:00:00:01',
    }));
    await harmless(
      stage,
      '10,000 interfaces',
      {},
      JSON.stringify({ ...PRIMARY, prevResult: { interfaces } }),
    );
    await harmless(stage, 'brackets in a string', {}, JSON.stringify({ ...PRIMARY, x: '['.repeat(1000) }));
    const text = JSON.stringify(PRIMARY).slice(0, -1);
    await harmless(
      stage,
      'keys in other letters beside the exact one',
      {},
      `${text},"MTU":67,"mtu":1400,"Mtu":"x"}`,
    );
    await harmless(stage, 'the same key twice, the last counts', {}, `${text},"mtu":67,"mtu":1400}`);
    const want = { code: 7, names: /\$\.(MTU|mtu)/ };
    await refuses(stage, 'a bad value under a key in other letters', want, {}, `${text},"MTU":67}`);
  }));

const LONG_PATH = `/${'x/'.repeat(2500)}`;
const ADD = JSON.stringify(PRIMARY);
/** Returns this many pairs, each with a key of its own. */
const numbered = (count: number): string => Array.from({ length: count }, (_, i) => `A${i}=b;`).join('');
/** CNI_ARGS that are rejected with code 4. */
const BAD_ARGS = [
  'x',
  ';;;;',
  ';',
  'a==b',
  'IgnoreUnknown=maybe',
  'IgnoreUnknown=1;MAC=../..',
  'IgnoreUnknown=1;MAC=01:00:00:00:00:01',
  'IgnoreUnknown=1;IP=999.0.0.1',
  'IgnoreUnknown=1;IP=,',
  '__proto__=1',
  'constructor=1',
  'toString=',
  'K8S_POD_NAME=a;evil=1',
  'K8S_POD_NAME=a\nb=c=d',
  `IgnoreUnknown=${long(10_000)}`,
  'a=b;'.repeat(25_000),
  `${numbered(9000)}K8S_POD_NAME=x`,
] as const;
const EMOJI = '\u{1f600}\u{1f600}\u{1f600}x';

test('ADD rejects hostile environments', () =>
  onStage(async (stage) => {
    const ifname = { code: 4, names: /interface name/ };
    for (const name of [
      '../..',
      '/',
      '.',
      '..',
      'a:b',
      'a b',
      'a\tb',
      'a\n',
      'a\u00a0b',
      'a\u2028b',
      'sixteen-bytes-ab',
      long(10_000),
    ]) {
      await refuses(stage, `CNI_IFNAME ${shorten(name)}`, ifname, { CNI_IFNAME: name }, ADD);
      await isDeleted(stage, `CNI_IFNAME ${shorten(name)}`, { CNI_IFNAME: name }, ADD);
    }
    const container = { code: 4, names: /containerID/ };
    for (const id of ['../..', '/', '.', '-', '__proto__', 'a b', 'a\n', 'a\nb', 'ä', `${long(10_000)}/`]) {
      await refuses(stage, `CNI_CONTAINERID ${shorten(id)}`, container, { CNI_CONTAINERID: id }, ADD);
      await isDeleted(stage, `CNI_CONTAINERID ${shorten(id)}`, { CNI_CONTAINERID: id }, ADD);
    }
    for (const args of BAD_ARGS) {
      const want = { code: 4, names: /^ARGS: / };
      await refuses(stage, `CNI_ARGS ${shorten(args)}`, want, { CNI_ARGS: args }, ADD);
      await isDeleted(stage, `CNI_ARGS ${shorten(args)}`, { CNI_ARGS: args }, ADD);
    }
    for (const command of ['add', 'ADD\n', '../ADD', '__proto__', long(100_000)]) {
      const want = { code: 4, names: /^unknown CNI_COMMAND: / };
      await refuses(stage, shorten(command), want, { CNI_COMMAND: command }, ADD);
    }
    await stage.unchanged('commands that there are not');
  }));

everyWay('ADD accepts large environments that are valid', () =>
  onStage(async (stage) => {
    await harmless(stage, 'a container id of 10,000 characters', { CNI_CONTAINERID: long(10_000) }, ADD);
    await harmless(stage, 'CNI_IFNAME of 15 bytes', { CNI_IFNAME: 'fifteen-bytes-a' }, ADD);
    await harmless(stage, 'a CNI_PATH of 100 KB', { CNI_PATH: long(100_000) }, ADD);
    const strangers = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`A${i}`, long(500)]));
    await harmless(stage, '1,000 variables of other programs', strangers, ADD);
    const args = { CNI_ARGS: `IgnoreUnknown=1;${numbered(9000)}K8S_POD_NAMESPACE=${long(10_000)}` };
    await harmless(stage, 'CNI_ARGS of 90 KB', args, ADD);
    const injected = {
      NODE_OPTIONS: '--require=/nonexistent',
      LD_LIBRARY_PATH: '/nonexistent',
      NODE_PATH: '/',
      BASH_ENV: '/x',
    };
    await harmless(stage, 'variables that would run code', injected, ADD);
    await harmless(stage, 'a node file of the caller’s', { TAPWIRE_NODE_FILE: '/proc/kmsg' }, ADD);
  }),
);

everyWay("CNI's variables count after 100 others with CNI's prefix", () =>
  withPod('eth0', async (pod) => {
    const before = await dumpNetns(pod);
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`CNI_A${i}`, 'x']));
    for (const CNI_COMMAND of ['ADD', 'DEL']) {
      const outcome = await boundedCall({ ...many, ...KEY, CNI_COMMAND, CNI_NETNS: pod.path }, ADD);
      const want = CNI_COMMAND === 'ADD' ? '{"cniVersion":"1.0.0"}\n' : '';
      assert.equal([outcome.exitCode, outcome.stdout, outcome.stderr], [0, want, '']);
    }
    sameNetns(await dumpNetns(pod), before);
  }),
);

test('ADD rejects pod link names that a network cannot have', () =>
  onStage(async (stage) => {
    const { pod, call, unchanged } = stage;
    const input = JSON.stringify(BASE);
    const cases: readonly (readonly [string, number, RegExp])[] = [
      ['eth0', 107, /Cannot wire "eth0" as a network: .*default network|\$\.tap\.defaultNetwork/],
      ['lo', 7, /"lo"/],
      ['all', 7, /"all"/],
      ['default', 7, /"default"/],
      ['tap0', 100, /"tap0"/],
      ['a%b', 7, /"a%b"/],
      ['äääeth', 7, /CNI_IFNAME/],
    ];
    for (const [ifname, code, names] of cases) {
      await refuses(stage, `CNI_IFNAME ${ifname}`, { code, names }, { CNI_IFNAME: ifname }, input);
    }
    for (const [ifname, code] of [
      ['taplink', 101], // It would be its own tap.
      ['xyzh0st', 101], // The tap's name is taken.
      [EMOJI, 7], // The tap's name would end in half a character.
    ] as const) {
      await pod.ip(`link add ${ifname} type veth peer name taph0st`);
      await pod.ip(`link set ${ifname} addrgenmode none`);
      const before = await dumpNetns(pod);
      const outcome = await call({ CNI_IFNAME: ifname }, input);
      assert.is(errorOf(outcome, ifname).code, code, outcome.stdout);
      assert.is((await call({ CNI_IFNAME: ifname, CNI_COMMAND: 'DEL' }, input)).exitCode, 0);
      sameNetns(await dumpNetns(pod), before, ifname);
      await pod.ip(`link del ${ifname}`);
    }
    await unchanged('links with names that do not fit');
  }));

/** Files that are not a netns, by their kind. */
async function withStrangeFiles(
  act: (paths: Readonly<Record<string, string>>) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-hostile-'));
  const socket = join(directory, 'socket');
  const server = createServer().listen(socket);
  try {
    await execa('mkfifo', [join(directory, 'fifo')]);
    mkdirSync(join(directory, 'folder'));
    writeFileSync(join(directory, 'file'), 'x');
    writeFileSync(join(directory, 'new\nline'), 'x');
    symlinkSync('loop', join(directory, 'loop'));
    const own = (name: string) => join(directory, name);
    await act({
      'a FIFO': own('fifo'),
      'a directory': own('folder'),
      'a file': own('file'),
      'a file with a newline in its name': own('new\nline'),
      'a symlink to itself': own('loop'),
      'a unix socket': socket,
      'a path under a file': join(own('file'), 'x'),
      'an endless device': '/dev/zero',
      'no device': '/dev/null',
      'the tun device': '/dev/net/tun',
      'a mount namespace': '/proc/self/ns/mnt',
      'a user namespace': '/proc/self/ns/user',
      'a PID namespace': '/proc/self/ns/pid',
      'the program': '/proc/self/exe',
      'its stdin': '/proc/self/fd/0',
      'a tty': '/dev/tty',
      'the root': '/',
      'a path of 5,000 bytes': LONG_PATH,
      'a name of 300 bytes': `/${long(300)}`,
      'a relative path': 'run/netns/none',
    });
  } finally {
    await new Promise((closed) => server.close(closed));
    rmSync(directory, { recursive: true });
  }
}

everyWay('ADD rejects a CNI_NETNS that is not a netns', () =>
  onStage((stage) =>
    withStrangeFiles(async (paths) => {
      const checkable = JSON.stringify({ ...PRIMARY, prevResult: { cniVersion: '1.0.0' } });
      for (const [why, path] of Object.entries(paths)) {
        for (const command of ['ADD', 'CHECK']) {
          const error = errorOf(
            await stage.call({ CNI_COMMAND: command, CNI_NETNS: path }, checkable),
            `${command} ${why}`,
          );
          assert.is(error.code, 8, `${command} ${why}: ${error.msg}`);
          assert.match(error.msg, /^Cannot open netns "/, why);
        }
        // DEL takes these for a netns that is gone.
        const del = await stage.call({ CNI_COMMAND: 'DEL', CNI_NETNS: path }, ADD);
        assert.is(del.exitCode, 0, `DEL ${why}: ${del.stdout}`);
      }
    }),
  ),
);

everyWay('ADD rejects a CNI_NETNS that is the host netns', () =>
  onStage(async ({ node, call }) => {
    const directory = mkdtempSync(join(tmpdir(), 'tapwire-hostile-'));
    const link = join(directory, 'link');
    symlinkSync(node.path, link);
    try {
      const own = {
        'its path in /proc': '/proc/self/ns/net',
        'the path of its thread': '/proc/thread-self/ns/net',
        'a bind mount': node.path,
        'a symlink to the bind mount': link,
        'a detour': `/proc/self/root/proc/../${node.path}`,
        'two slashes': `/${node.path}`,
      };
      const checkable = JSON.stringify({ ...PRIMARY, prevResult: { cniVersion: '1.0.0' } });
      for (const [why, path] of Object.entries(own)) {
        for (const command of ['ADD', 'CHECK', 'DEL']) {
          for (const override of ['', '1', 'TRUE']) {
            const env = { CNI_COMMAND: command, CNI_NETNS: path, CNI_NETNS_OVERRIDE: override };
            const { code, msg } = errorOf(await call(env, checkable), `${command} ${why}`);
            assert.equal(
              [code, msg],
              [8, "plugin's netns and netns from CNI_NETNS should not be the same"],
              why,
            );
          }
        }
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  }),
);

everyWay('ADD called on the real node rejects its host netns as CNI_NETNS', async () => {
  // The node has no link of this name, so that a plugin with this bug does not cut the machine off.
  const input = JSON.stringify(withValue('podLink', 'absent0'));
  for (const path of ['/proc/1/ns/net', '/proc/self/ns/net', `/proc/${process.pid}/ns/net`]) {
    for (const command of ['ADD', 'DEL']) {
      const why = `${command} ${path}`;
      const outcome = await boundedCall({ ...KEY, CNI_COMMAND: command, CNI_NETNS: path }, input);
      assert.is(errorOf(outcome, why).code, 8, why);
    }
  }
});

/** Contents of a node policy file that allow nothing, and the words that the error has. */
const POLICIES: readonly (readonly [string, RegExp])[] = [
  ['', /Cannot parse/],
  ['{', /Cannot parse/],
  ['[]', /\$/],
  ['null', /\$/],
  ['"x"', /\$/],
  ['{"tap": []}', /\$\.tap/],
  ['{"tap": {"namespaces": "vms"}}', /\$\.tap\.namespaces/],
  ['{"tap": {"namespaces": [1]}}', /\$\.tap\.namespaces\[0\]/],
  ['{"tap": {"namespaces": {"length": 1}}}', /\$\.tap\.namespaces/],
  ['{"tap": {"defaultNetwork": "true"}}', /\$\.tap\.defaultNetwork/],
  ['{"tap": {"defaultNetwork": 1}}', /\$\.tap\.defaultNetwork/],
  ['{"Tap": {}}', /"Tap"/],
  ['{"tap": {"namespace": []}}', /"namespace"/],
  ['{"tap": {}, "slirp": {}}', /"slirp"/],
  ['{"macvtap": {"resource": []}}', /"resource"/],
  ['{"macvtap": {"resources": {}}}', /\$\.macvtap\.resources/],
  ['{"macvtap": {"resources": [{"name": "a"}]}}', /\$\.macvtap\.resources\[0\]\.lowerDevice/],
  ['{"macvtap": {"resources": [{"name": "../a", "lowerDevice": "b"}]}}', /\$\.macvtap\.resources\[0\]\.name/],
  ['{"macvtap": {"resources": [{"name": "a", "lowerDevice": "../b"}]}}', /resources\[0\]\.lowerDevice/],
  [
    '{"macvtap": {"resources": [{"name": "a", "lowerDevice": "b", "mode": "source"}]}}',
    /resources\[0\]\.mode/,
  ],
  [
    '{"macvtap": {"resources": [{"name": "a", "lowerDevice": "b", "capacity": 1025}]}}',
    /resources\[0\]\.capacity/,
  ],
  [
    '{"macvtap": {"resources": [{"name": "a", "lowerDevice": "b"}, {"name": "a", "lowerDevice": "c"}]}}',
    /\$\.macvtap\.resources\[1\]/,
  ],
  ['{"macvtap": {"masters": [{"lowerDevice": "b", "name": "a"}]}}', /"name"/],
  ['{"macvtap": {"masters": [{"lowerDevice": "b", "promisc": 1}]}}', /masters\[0\]\.promisc/],
  ['{"macvtap": {"kubeletDirectory": "/var/../etc"}}', /\$\.macvtap\.kubeletDirectory/],
  ['{"macvtap": {"kubeletDirectory": "kubelet"}}', /\$\.macvtap\.kubeletDirectory/],
  ['{"macvtap": {"__proto__": {"resources": []}}}', /"__proto__"/],
  ['{"__proto__": {"tap": {"defaultNetwork": true}}}', /"__proto__"/],
  ['{"tap": {"__proto__": {"defaultNetwork": true}}}', /"__proto__"/],
  ['{"constructor": {}}', /"constructor"/],
  ['['.repeat(60_000), /./],
  [`{"tap": {}}${' '.repeat(64 * 1024)}`, /at most 65536 bytes/],
];

/** Node policy files that no administrator would have created, and the words that the error has. */
const UNTRUSTED: Readonly<Record<string, (path: string) => unknown>> = {
  'that everyone can write to': (path) => chmodSync(path, 0o666),
  'that its group can write to': (path) => chmodSync(path, 0o664),
  'that another user owns': (path) => chownSync(path, 107, 107),
  'that is a symlink': (path) => {
    rmSync(path);
    symlinkSync('/etc/hostname', path);
  },
  'that is a FIFO': (path) => {
    rmSync(path);
    return execa('mkfifo', ['-m', '600', path]);
  },
  'that is a directory': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  'that is an endless device': async (path) => {
    rmSync(path);
    await execa('mknod', ['-m', '600', path, 'c', '1', '5']);
  },
};

test('ADD is rejected by node policy files that cannot be trusted or read', () =>
  onStage(async ({ call, unchanged }) => {
    const denied = async (why: string, names: RegExp) => {
      const { code, msg } = errorOf(await call({}, ADD), why);
      assert.is(code, 107, why);
      assert.ok(msg.startsWith(`Cannot use node file "${NODE_FILE}": `), `${why}: ${msg}`);
      assert.match(msg, names, why);
      await unchanged(why);
      const del = await call({ CNI_COMMAND: 'DEL' }, ADD);
      assert.equal([del.exitCode, del.stdout], [0, ''], `DEL ${why}`);
    };
    for (const [content, names] of POLICIES) {
      await withNodeFile(content, () => denied(`a node file ${shorten(content)}`, names));
    }
    for (const [why, make] of Object.entries(UNTRUSTED)) {
      const act = () => denied(`a node file ${why}`, /regular file|ELOOP/);
      await withNodeFile('{"tap": {"defaultNetwork": true}}', act, make);
    }
  }));

everyWay('ADD changes nothing without a pod link', () =>
  withNetns(async (pod) => {
    const before = await dumpNetns(pod);
    const env = { ...KEY, CNI_NETNS: pod.path };
    for (const conf of [PRIMARY, BASE, withValue('podLink', 'absent0')]) {
      const { code, msg } = errorOf(await boundedCall(env, JSON.stringify(conf)), 'no pod link');
      assert.is(code, 100, msg);
    }
    sameNetns(await dumpNetns(pod), before);
  }),
);

everyWay.run();
