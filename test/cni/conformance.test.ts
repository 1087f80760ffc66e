/** Every requirement of the CNI specification, its library and other plugins' tests, run against the executable, as one table. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { apply, attempt } from '../../cni/plan/apply.ts';
import { linksOf, type Op, type Run } from '../../cni/plan/op.ts';
import { SUPPORTED_VERSIONS } from '../../cni/request/version.ts';
import { toErrorResult } from '../../cni/result.ts';
import { BindingError } from '../../shared/errors.ts';
import { hashedPodIfname, secondaryTapIfname } from '../../shared/kubevirt/names.ts';
import { native } from '../../shared/native/native.ts';
import { type Answer, type Call, callUnder, callWith, cni, environmentOf, netconf } from '../helpers/cni.ts';
import { isTested, renderTable, type Section, settleDocument, titleOf } from '../helpers/conformance.ts';
import { boundedCall, errorOf } from '../helpers/fuzz.ts';
import { HANG } from '../helpers/hang.ts';
import { dumpNetns, passtSysctls, sameNetns, type TestNetns, withNetns, withPod } from '../helpers/netns.ts';
import { callFailing, traceCall } from '../helpers/strace.ts';
import { plugin, WAY } from '../helpers/way.ts';

const test = suite('CNI conformance');

// ---- how the rows call the plugin

type Changes = Readonly<Record<string, string | undefined>>;

/** A call with everything that ADD needs; the netns does not exist, so that whoever gets there says so with code 8. */
const COMPLETE: Readonly<Record<string, string>> = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'pod1',
  CNI_NETNS: '/run/netns/none',
  CNI_IFNAME: 'net1',
  CNI_PATH: '/opt/cni/bin',
};
const BINDING = { args: { cni: { logicNetworkName: 'default' } } };
const CHECKABLE = { prevResult: { cniVersion: '1.0.0' } };

/** The complete environment, changed; undefined takes a variable away. */
function environment(changes: Changes): Record<string, string> {
  const entries = Object.entries({ ...COMPLETE, ...changes });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const conf = (changes: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ ...netconf({ conf: BINDING }), ...changes });

const call = (changes: Changes, input: string = conf()): Promise<Answer> =>
  callWith(environment(changes), input);

/** Code, message and details of a refusal, which must be all that there is on stdout. */
async function refusal(changes: Changes, input: string = conf()) {
  const { exitCode, json } = await call(changes, input);
  assert.is(exitCode, 1, `refused: ${JSON.stringify(json)}`);
  return json as { cniVersion: string; code: number; msg: string; details?: string };
}

/** Fails unless the call is refused with that code and message. */
async function refused(code: number, msg: string | RegExp, changes: Changes, input?: string): Promise<void> {
  const error = await refusal(changes, input);
  assert.is(error.code, code, error.msg);
  if (typeof msg === 'string') assert.is(error.msg, msg);
  else assert.match(error.msg, msg);
}

/** Every check before the netns passed: it is the netns that is missing. */
const reachesNetns = (changes: Changes, input?: string): Promise<void> =>
  refused(8, 'Cannot open netns "/run/netns/none": there is no network namespace', changes, input);

const silent = (answer: Answer, why?: string): void =>
  assert.equal(
    { exitCode: answer.exitCode, stdout: answer.stdout, stderr: answer.stderr },
    { exitCode: 0, stdout: '', stderr: '' },
    why,
  );

async function succeeds(command: string, request: Call): Promise<Answer> {
  const answer = await cni(command, request);
  assert.is(answer.exitCode, 0, `${command}: ${answer.stdout}`);
  return answer;
}

// ---- pods

const BLUE = hashedPodIfname('blue');
const BLUE_TAP = secondaryTapIfname(BLUE);

const binding = ({ path }: TestNetns, changes: Readonly<Record<string, unknown>> = {}): Call => ({
  netns: path,
  network: 'default',
  conf: { ...CHECKABLE, ...changes },
});

/** A binding's pod, dumped before; `act` must leave it with nothing of ours. */
const onPod = (act: (request: Call, netns: TestNetns) => Promise<unknown>) =>
  withPod('eth0', async (netns) => {
    const before = await dumpNetns(netns);
    await act(binding(netns), netns);
    sameNetns(await dumpNetns(netns), before);
  });

/** A secondary network's pod, as the plugin is called for the network itself. */
const onBlue = (
  act: (request: Call, netns: TestNetns) => Promise<unknown>,
  changes: Readonly<Record<string, unknown>> = {},
) => withPod(BLUE, (netns) => act({ netns: netns.path, ifname: BLUE, conf: changes }, netns));

// biome-ignore lint/suspicious/noExplicitAny: the JSON of ip(8)
const linkOf = async ({ ip }: TestNetns, ifname: string): Promise<any> =>
  JSON.parse(await ip(`-d -j link show dev ${ifname}`))[0];

/** The result of a bridge plugin, say, in the form of that version. */
const prevResultOf = (version: string, sandbox: string) => ({
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
const chained = (version: string, prevResult: unknown) =>
  withPod(BLUE, async ({ path }) => {
    const request = { netns: path, ifname: BLUE, conf: { cniVersion: version, prevResult } };
    return (await succeeds('ADD', request)).json;
  });

// ---- requirements

const ALL_VARIABLES = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'];
/** Which of them each command needs, as the reference skeleton has it; but DEL as the specification has it. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  ADD: ALL_VARIABLES,
  CHECK: ALL_VARIABLES,
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
};
const NEWEST = { cniVersion: '1.1.0' };
const SINCE_1_1 = ['GC', 'STATUS'];
const versionFor = (command: string) => (SINCE_1_1.includes(command) ? NEWEST : {});

async function needs(command: string): Promise<void> {
  const required = REQUIRED[command] ?? [];
  for (const variable of required) {
    for (const value of [undefined, '']) {
      const changes = { CNI_COMMAND: command, [variable]: value };
      await refused(4, `required env variables [${variable}] missing`, changes, conf(versionFor(command)));
    }
  }
  const least = Object.fromEntries(
    ALL_VARIABLES.filter((variable) => !required.includes(variable)).map((variable) => [variable, undefined]),
  );
  const { json } = await call(
    { CNI_COMMAND: command, ...least },
    conf({ ...versionFor(command), ...CHECKABLE }),
  );
  assert.not.match(json?.msg ?? '', /required env/, 'the rest is optional');
}

/** DEL of a container that has a pod link and a tap of another; nothing happens. */
const deletesNothing = (changes: Changes, input?: string): Promise<void> =>
  onPod(async (request, netns) => {
    await succeeds('ADD', { ...request, containerId: 'another' });
    const wired = await dumpNetns(netns);
    silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS: netns.path, ...changes }, input));
    sameNetns(await dumpNetns(netns), wired);
    await succeeds('DEL', { ...request, containerId: 'another' });
  });

async function gated(command: string, older: string, since: string): Promise<void> {
  await refused(
    1,
    `config version does not allow ${command}`,
    { CNI_COMMAND: command },
    conf({ cniVersion: older }),
  );
  const { json } = await call({ CNI_COMMAND: command }, conf({ cniVersion: since, ...CHECKABLE }));
  assert.not.match(json?.msg ?? '', /version/);
}

/** It is the shim that has an about text: the bundle that it runs always gets a command. */
const noAbout = (): Promise<void> =>
  refused(4, 'required env variables [CNI_COMMAND] missing', { CNI_COMMAND: undefined }, '');

/** Runs the executable without an end of its stdin; it must end by itself. */
async function withOpenStdin(
  variables: Record<string, string>,
): Promise<{ stdout: string; exitCode: number | null }> {
  const {
    words: [program, ...words],
    env,
  } = await plugin(variables);
  return new Promise((done, fail) => {
    const child = spawn(program, words, { env, stdio: ['pipe', 'pipe', 'ignore'] });
    let stdout = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), HANG);
    child.on('error', fail);
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      done({ stdout, exitCode });
    });
  });
}

/** STATUS where the device that taps are made of is not there. */
async function statusWithoutTun(): Promise<{ code: number; msg: string }> {
  const without = 'PATH=/usr/bin; mount -t tmpfs none /dev/net && exec "$@"';
  const { exitCode, stdout, json } = await callUnder(
    ['/usr/bin/unshare', '--mount', '/bin/sh', '-c', without, 'sh'],
    { CNI_COMMAND: 'STATUS', CNI_PATH: '/opt/cni/bin' },
    conf(NEWEST),
  );
  assert.is(exitCode, 1, stdout);
  return json;
}

const ENVIRONMENT: Section = {
  title: '1.1 Commands and environment',
  rows: [
    {
      id: 'R1.1',
      requires: 'All missing variables are reported at once, in a fixed order, with code 4.',
      shows:
        'ADD without any variable names CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME and CNI_PATH, in that order',
      test: async () => {
        const none = Object.fromEntries(ALL_VARIABLES.map((variable) => [variable, undefined]));
        await refused(4, `required env variables [${ALL_VARIABLES.join(',')}] missing`, none);
        await refused(4, 'required env variables [CNI_NETNS,CNI_PATH] missing', {
          CNI_NETNS: '',
          CNI_PATH: undefined,
        });
      },
    },
    ...Object.keys(REQUIRED).map((command) => ({
      id: `R1.1 ${command}`,
      ...(command === 'DEL'
        ? {
            differs:
              'the reference skeleton wants CNI_PATH as well, which the specification calls optional; nothing is delegated, and a pod can be deleted without',
          }
        : {}),
      requires: `${command} requires ${REQUIRED[command]?.join(', ') || 'no variable beside CNI_COMMAND'}.`,
      shows:
        command === 'VERSION'
          ? 'VERSION succeeds without any'
          : `${command} names each one that is missing or empty, and does without the others`,
      test: () => needs(command),
    })),
    {
      id: 'R1.2',
      requires:
        'An invalid value is reported before a missing one, and only where the command needs the variable.',
      shows: 'a bad container id is told while CNI_NETNS is missing; STATUS does not mind it',
      test: async () => {
        await refused(4, 'invalid characters in containerID', {
          CNI_CONTAINERID: '../x',
          CNI_NETNS: undefined,
        });
        await refused(4, 'interface name is . or ..', { CNI_IFNAME: '..', CNI_PATH: undefined });
        silent(await call({ CNI_COMMAND: 'STATUS', CNI_CONTAINERID: '../x', CNI_IFNAME: '/' }, conf(NEWEST)));
      },
    },
    {
      id: 'R1.3',
      requires:
        'A container id is alphanumeric first, then also "_", "." and "-"; else code 4 with the value in details.',
      differs:
        'DEL of one that ADD rejects succeeds: there is nothing of it, and an error would keep its pod from being deleted',
      shows:
        'ADD refuses ten bad ids, the value in details; good ones pass; DEL of a bad one changes nothing',
      test: async () => {
        await deletesNothing({ CNI_CONTAINERID: 'a/b' });
        for (const id of ['a/b', '-a', '.a', '_a', 'a b', 'a\n', 'ä', '../..', 'a:b', 'a%']) {
          const { code, msg, details } = await refusal({ CNI_CONTAINERID: id });
          assert.equal([code, msg, details], [4, 'invalid characters in containerID', id]);
        }
        for (const id of ['a', '0', 'a_b.c-D', 'f'.repeat(1000)]) await reachesNetns({ CNI_CONTAINERID: id });
      },
    },
    ...(
      [
        ['is empty', 'interface name is empty', []],
        ['has more than 15 bytes', 'interface name is too long', ['sixteen-bytes-ab', 'ääääääää']],
        ['is "." or ".."', 'interface name is . or ..', ['.', '..']],
        [
          'has a slash, a colon or white space',
          'interface name contains / or : or whitespace characters',
          ['a/b', 'a:b', 'a b', 'a\tb', 'a\nb', 'a\u00a0b', 'a\u2003b', 'a\u3000b'],
        ],
      ] as const
    ).map(([why, msg, names]) => ({
      id: `R1.4 ${why}`,
      requires: `CNI_IFNAME that ${why}: code 4, "${msg}".`,
      ...(names.length === 0
        ? { shows: 'an empty one is a missing one for ADD, CHECK and DEL, as in the reference skeleton' }
        : {
            differs:
              'DEL succeeds: the library checks the name before it calls ADD, but not before DEL, which comes all the same',
            shows: `ADD and CHECK refuse ${names.length} such names; DEL changes nothing`,
          }),
      test: async () => {
        for (const CNI_COMMAND of ['ADD', 'CHECK', 'DEL']) {
          if (names.length === 0) {
            await refused(4, 'required env variables [CNI_IFNAME] missing', { CNI_COMMAND, CNI_IFNAME: '' });
          }
        }
        for (const CNI_IFNAME of names) {
          for (const CNI_COMMAND of ['ADD', 'CHECK']) await refused(4, msg, { CNI_COMMAND, CNI_IFNAME });
          silent(await call({ CNI_COMMAND: 'DEL', CNI_IFNAME }));
        }
        const [CNI_IFNAME] = names;
        if (CNI_IFNAME !== undefined) await deletesNothing({ CNI_IFNAME });
      },
    })),
    {
      id: 'R1.4 fits',
      requires: 'An interface name of 1 to 15 bytes, counted in bytes, is fine.',
      shows: 'names of 1 and 15 bytes pass, also with other than ASCII letters',
      test: async () => {
        for (const name of ['a', 'fifteen-bytes-a', 'äääääää', '...'])
          await reachesNetns({ CNI_IFNAME: name });
      },
    },
    {
      id: 'R1.5',
      requires:
        '$.name follows the rule of the container id; empty or bad: code 7, for every command but VERSION.',
      differs: 'DEL reads nothing of the configuration (R7.1 configuration)',
      shows: 'four commands refuse a missing, an empty and a bad name',
      test: async () => {
        for (const command of ['ADD', 'CHECK', 'GC', 'STATUS']) {
          const named = (name: unknown) => conf({ ...versionFor(command), name });
          for (const name of [undefined, null, '']) {
            await refused(7, 'missing network name', { CNI_COMMAND: command }, named(name));
          }
          const error = await refusal({ CNI_COMMAND: command }, named('a%b'));
          assert.equal(
            [error.code, error.msg, error.details],
            [7, 'invalid characters found in network name', 'a%b'],
          );
        }
      },
    },
    {
      id: 'R1.6',
      requires: 'An unknown command: code 4, "unknown CNI_COMMAND"; commands are case-sensitive.',
      shows: 'NOPE, add, "ADD " and __proto__ are unknown',
      test: async () => {
        for (const command of ['NOPE', 'add', 'ADD ', '__proto__', 'constructor']) {
          await refused(4, `unknown CNI_COMMAND: ${command}`, { CNI_COMMAND: command });
        }
      },
    },
    {
      id: 'R1.7',
      requires:
        'Without a command a plugin with an about text prints it and its versions on stderr, nothing on stdout, exit 0.',
      shows: 'the about text and the versions 0.3.0 to 1.1.0 are on stderr',
      test: async () => {
        if (WAY === 'one-shot') return noAbout();
        for (const CNI_COMMAND of [undefined, '']) {
          const { exitCode, stdout, stderr } = await call({ CNI_COMMAND }, '');
          assert.equal([exitCode, stdout], [0, '']);
          assert.match(stderr, /^CNI plugin tapwire v\d+\.\d+\.\d+: .+\n/);
          assert.match(stderr, `CNI protocol versions supported: ${SUPPORTED_VERSIONS.join(', ')}`);
        }
      },
    },
    {
      id: 'R1.8 read',
      requires: 'stdin that cannot be read: code 5, "error reading from stdin".',
      shows: 'a directory as stdin',
      test: async () => {
        const fd = openSync('/', 'r');
        try {
          const {
            words: [program, ...words],
            env,
          } = await plugin(environment({}));
          const { stdout, status } = spawnSync(program, words, { stdio: [fd, 'pipe', 'ignore'], env });
          const { code, msg } = JSON.parse(stdout.toString());
          assert.equal([status, code], [1, 5]);
          assert.match(msg, /^error reading from stdin: .*(EISDIR|Is a directory)/);
        } finally {
          closeSync(fd);
        }
      },
    },
    {
      id: 'R1.8 parse',
      requires: 'stdin that is no JSON: code 6.',
      shows: 'nothing, half a document, two documents and a comment are code 6',
      test: async () => {
        for (const text of [
          '',
          '{',
          '{"name":',
          'nope',
          '{}{}',
          '// {}\n{}',
          "{'name': 'x'}",
          '{"name": "x",}',
        ]) {
          await refused(6, /^Cannot parse the network configuration: /, {}, text);
        }
      },
    },
    {
      id: 'R1.9',
      requires: 'Runtimes call a plugin for several containers at once.',
      shows: 'six pods get ADD, CHECK and DEL at once; each is wired and left as it was',
      test: () => Promise.all(Array.from({ length: 6 }, () => onPod(roundTrip))),
    },
    {
      id: 'R1.10',
      requires:
        'Exit status 0 for success, another for failure; the error is JSON on stdout; stderr is for logs.',
      shows: 'a failure is one JSON document on stdout, one JSON line on stderr, exit status 1',
      test: async () => {
        const { exitCode, stdout, stderr } = await call({});
        assert.is(exitCode, 1);
        assert.is(JSON.parse(stdout).code, 8);
        assert.equal(
          stderr.split('\n').map((line) => JSON.parse(line).level),
          ['error'],
        );
      },
    },
  ],
};

async function roundTrip(request: Call): Promise<void> {
  await succeeds('ADD', request);
  await succeeds('CHECK', request);
  await succeeds('DEL', request);
}

const INPUT: Section = {
  title: '1.2 Configuration on stdin',
  rows: [
    {
      id: 'R2.1',
      requires: 'Runtimes add keys; a plugin may refuse unknown ones, no plugin does.',
      shows: 'what runtimes add is accepted in silence, any other key with one warning on stderr',
      test: () =>
        onPod(async (request) => {
          const injected = {
            deviceID: '0000:03:02.0',
            pciBusID: '0000:03:02.0',
            capabilities: { mac: true },
            runtimeConfig: {},
            'cni.dev/attachments': [],
            'cni.dev/valid-attachments': null,
            disableCheck: true,
          };
          const { stderr } = await succeeds('ADD', { ...request, conf: injected });
          assert.is(stderr, '');
          const warned = await succeeds('ADD', { ...request, conf: { bridge: 'br0', vlna: 5 } });
          const { level, keys } = JSON.parse(warned.stderr);
          assert.equal([level, keys], ['warn', ['bridge', 'vlna']]);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.2',
      requires:
        "Go's decoder finds keys in other letters (`MTU`, `CNIVersion`), so configurations in the field have them.",
      shows: 'a configuration in other letters works; an exact key goes before one in other letters',
      test: () =>
        onPod(async (request, netns) => {
          const { netns: path } = request;
          const odd = JSON.stringify({
            CNIVersion: '1.0.0',
            Name: 'tapwire-tap',
            Type: 'tapwire',
            MTU: 1300,
            mtu: 1400,
            MultiQueue: true,
            Args: { CNI: { LogicNetworkName: 'default' } },
          });
          const { json } = await call({ CNI_NETNS: path }, odd);
          assert.equal(json, { cniVersion: '1.0.0' });
          const tap = await linkOf(netns, 'tap0');
          assert.equal([tap.mtu, tap.linkinfo.info_data.multi_queue], [1400, true]);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.3',
      requires: 'Numbers are not made of strings, nor integers of fractions: a decoding error.',
      shows: 'code 7 that names the key, the wanted and the given value',
      test: async () => {
        for (const [given, shown] of [
          ['1500', '"1500"'],
          [1500.5, '1500.5'],
          [true, 'true'],
          [[], '[]'],
        ] as const) {
          const msg = `Cannot read $.mtu: want an integer in 68..65535, got ${shown}`;
          await refused(7, msg, {}, conf({ mtu: given }));
        }
        await refused(7, /^Cannot read \$\.multiQueue: /, {}, conf({ multiQueue: 'true' }));
        await refused(7, /^Cannot read \$\.owner: /, {}, conf({ owner: '107' }));
      },
    },
    {
      id: 'R2.3 null',
      requires: 'null is the same as no key, as Go writes empty values.',
      shows: 'ADD with null in every optional key is ADD without them',
      test: () =>
        onPod(async (request) => {
          const keys = ['podLink', 'mtu', 'owner', 'group', 'multiQueue', 'selinuxContext', 'runtimeConfig'];
          const nulls = Object.fromEntries([...keys, 'prevResult', 'deviceID'].map((key) => [key, null]));
          assert.equal((await succeeds('ADD', { ...request, conf: nulls })).json, { cniVersion: '1.0.0' });
          await succeeds('CHECK', request);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.3 zero',
      requires: '"" and 0 are the same as no key, as Go writes what is not set; 0 is a user, though.',
      shows: 'ADD with them in every optional key is ADD without them; owner 0 is root',
      test: () =>
        onPod(async (request) => {
          const zeros = {
            ...Object.fromEntries(
              [
                'binding',
                'podLink',
                'network',
                'owner',
                'group',
                'selinuxContext',
                'deviceID',
                'pciBusID',
              ].map((key) => [key, '']),
            ),
            mtu: 0,
            runtimeConfig: { mac: '', ips: [], infinibandGUID: '', deviceID: '' },
          };
          const { json, stderr } = await succeeds('ADD', { ...request, conf: zeros });
          assert.equal([json, stderr], [{ cniVersion: '1.0.0' }, '']);
          await succeeds('CHECK', request);
          const { msg } = (await cni('ADD', { ...request, conf: { owner: 0 } })).json;
          assert.match(msg, 'it is there with another owner');
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R2.4',
      requires: 'A list of plugins (`plugins`) is split by the runtime.',
      inapplicable:
        'a plugin never sees one; the runtimes that split it are played in the chain and containerd tests',
    },
    {
      id: 'R2.5',
      requires: 'Input that is hostile in size or depth is refused at once.',
      shows: 'more than 1 MiB, and nesting above 64, are code 6',
      test: async () => {
        const size = 'Cannot read the network configuration: more than 1048576 bytes';
        await refused(6, size, {}, conf({ x: 'x'.repeat(1024 * 1024) }));
        const deep = 'Cannot parse the network configuration: nested more than 64 levels deep';
        await refused(6, deep, {}, '['.repeat(65));
        await refused(6, deep, {}, `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`);
        await reachesNetns({}, conf({ x: JSON.parse('['.repeat(63) + ']'.repeat(63)) }));
      },
    },
  ],
};

const VERSIONS: Section = {
  title: '1.3 Versions',
  rows: [
    {
      id: 'R3.1',
      requires: 'A plugin of today speaks 0.1.0 to 1.1.0.',
      differs:
        'a result of 0.1.0 or 0.2.0 must hold an IP address, and a tap has none; other plugins find that out when the link is made already',
      shows:
        '0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0 are served; ADD of 0.1.0 and 0.2.0 is refused with code 1 and nothing done, DEL succeeds',
      test: () =>
        onPod(async (request, netns) => {
          const before = await dumpNetns(netns);
          for (const cniVersion of ['0.1.0', '0.2.0']) {
            const { json } = await cni('ADD', { ...request, conf: { cniVersion } });
            assert.equal([json.code, json.msg], [1, 'incompatible CNI versions']);
            silent(await cni('DEL', { ...request, conf: { cniVersion } }));
          }
          sameNetns(await dumpNetns(netns), before);
          for (const cniVersion of SUPPORTED_VERSIONS) {
            assert.equal((await succeeds('ADD', { ...request, conf: { cniVersion } })).json, { cniVersion });
            await succeeds('DEL', { ...request, conf: { cniVersion } });
          }
        }),
    },
    {
      id: 'R3.2',
      requires:
        'VERSION answers with the newest version and the list of all, whatever dummies the other variables hold.',
      shows: '{"cniVersion": "1.1.0", "supportedVersions": […]}',
      test: async () => {
        const dummies = {
          CNI_COMMAND: 'VERSION',
          CNI_NETNS: 'dummy',
          CNI_IFNAME: 'dummy',
          CNI_PATH: 'dummy',
        };
        for (const input of ['{"cniVersion":"0.4.0"}', '', 'no JSON']) {
          const { json, exitCode } = await call({ ...dummies, CNI_CONTAINERID: undefined }, input);
          assert.equal(
            [exitCode, json],
            [0, { cniVersion: '1.1.0', supportedVersions: [...SUPPORTED_VERSIONS] }],
          );
        }
      },
    },
    {
      id: 'R3.3',
      requires:
        'A version that is not, letter for letter, a supported one: code 1, "incompatible CNI versions", both in details.',
      shows: '9.9.9, 1.0, 01.0.0, "1.0.0 " and 1.1.1 are refused',
      test: async () => {
        for (const version of ['9.9.9', '1.0', '01.0.0', '1.0.0 ', '1.1.1', '0.3', 'v1.0.0']) {
          const { code, msg, details } = await refusal({}, conf({ cniVersion: version }));
          assert.equal([code, msg], [1, 'incompatible CNI versions']);
          assert.is(
            details,
            `config is "${version}", plugin supports ["0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]`,
          );
        }
      },
    },
    ...(
      [
        ['CHECK', '0.3.1', '0.4.0'],
        ['GC', '1.0.0', '1.1.0'],
        ['STATUS', '1.0.0', '1.1.0'],
      ] as const
    ).map(([command, older, since]) => ({
      id: `R3.4 ${command}`,
      requires: `${command} exists since ${since}; for an older configuration code 1, "config version does not allow ${command}".`,
      shows: `refused for ${older}, served for ${since}`,
      test: () => gated(command, older, since),
    })),
    {
      id: 'R3.4 newer',
      requires:
        'CHECK, GC or STATUS of a configuration newer than the plugin: code 1, "plugin version does not allow …".',
      shows: 'all three are refused for 2.0.0',
      test: async () => {
        for (const command of ['CHECK', 'GC', 'STATUS']) {
          const changes = { CNI_COMMAND: command };
          await refused(
            1,
            `plugin version does not allow ${command}`,
            changes,
            conf({ cniVersion: '2.0.0' }),
          );
        }
      },
    },
    {
      id: 'R3.4 form',
      requires:
        'CHECK, GC and STATUS compare versions; one that is none is code 6. Missing parts count as 0.',
      shows:
        '"garbage", "1.x", "1.0.0.0" and "-1.0.0" are code 6; "0.4" is compared and then is no supported version',
      test: async () => {
        for (const version of ['garbage', '1.x', '1.0.0.0', '-1.0.0', '1..0']) {
          const changes = { CNI_COMMAND: 'CHECK' };
          await refused(
            6,
            /^Cannot read \$\.cniVersion: want a version/,
            changes,
            conf({ cniVersion: version }),
          );
        }
        await refused(1, 'incompatible CNI versions', { CNI_COMMAND: 'CHECK' }, conf({ cniVersion: '0.4' }));
        await refused(
          1,
          'config version does not allow CHECK',
          { CNI_COMMAND: 'CHECK' },
          conf({ cniVersion: '0.3' }),
        );
      },
    },
    {
      id: 'R3.5',
      requires: "A result is in the configuration's version.",
      shows: 'ADD answers in each of the five versions, errors too',
      test: () =>
        onPod(async (request) => {
          for (const cniVersion of SUPPORTED_VERSIONS) {
            assert.is(
              (await succeeds('ADD', { ...request, conf: { cniVersion } })).json.cniVersion,
              cniVersion,
            );
            const { json } = await cni('ADD', { ...request, conf: { cniVersion, mtu: 1 } });
            assert.equal([json.cniVersion, json.code], [cniVersion, 7]);
          }
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R3.6',
      requires:
        'A configuration without version counts as 0.1.0; a plugin that does not speak it says code 1.',
      shows: 'no key, null and "" are refused as "0.1.0"',
      test: async () => {
        for (const cniVersion of [undefined, null, '']) {
          const { code, msg, details } = await refusal({}, conf({ cniVersion }));
          assert.equal([code, msg], [1, 'incompatible CNI versions']);
          assert.match(details ?? '', 'config is "0.1.0"');
        }
      },
    },
  ],
};

const RESULTS: Section = {
  title: '1.4 Results',
  rows: [
    {
      id: 'R4.1',
      requires:
        'A result lists every interface that was created, on the node too; `sandbox` is CNI_NETNS to the letter.',
      differs:
        "the tap is not listed: Multus makes a network status of every interface in the pod, and KubeVirt looks for the pod link's",
      shows: 'a network on its own lists its pod link, with the sandbox as given, and no tap',
      test: () =>
        onBlue(async (request, netns) => {
          const path = `/run/netns/../netns/./${netns.name}`;
          const { json } = await succeeds('ADD', { ...request, netns: path });
          const { address } = await linkOf(netns, BLUE);
          assert.equal(json.interfaces, [{ name: BLUE, mac: address, mtu: 1450, sandbox: path }]);
          assert.is((await linkOf(netns, BLUE_TAP)).ifname, BLUE_TAP);
        }),
    },
    {
      id: 'R4.1 binding',
      requires: 'KubeVirt counts every network status of a pod; a binding must not add one.',
      shows: 'a binding answers with its version alone',
      test: () =>
        onPod(async (request) => {
          assert.equal((await succeeds('ADD', { ...request, conf: {} })).json, { cniVersion: '1.0.0' });
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R4.2',
      requires: 'ADD of an interface name that exists must fail.',
      differs:
        "CNI_IFNAME is never created here: for a network it is the pod link that must be there, for a binding it means nothing. An ADD that repeats one is idempotent, so that it completes what a killed one began; what is somebody else's is refused",
      shows:
        'a second ADD of the same container changes nothing; one of another container, and a foreign tap, are refused',
      test: () =>
        onPod(async (request, netns) => {
          await succeeds('ADD', request);
          const wired = await dumpNetns(netns);
          await succeeds('ADD', request);
          sameNetns(await dumpNetns(netns), wired, 'the second ADD changed nothing');
          const { json } = await cni('ADD', { ...request, containerId: 'pod2' });
          assert.equal(
            [json.code, /^Cannot add tap "tap0": that name is taken by /.test(json.msg)],
            [101, true],
          );
          sameNetns(await dumpNetns(netns), wired, 'the refused ADD changed nothing');
          await succeeds('DEL', request);
          await netns.ip('tuntap add tap0 mode tap');
          const foreign = await dumpNetns(netns);
          assert.is((await cni('ADD', request)).json.code, 101);
          await succeeds('DEL', request);
          sameNetns(await dumpNetns(netns), foreign, 'the foreign tap is untouched');
          await netns.ip('link del tap0');
        }),
    },
    ...SUPPORTED_VERSIONS.map((version) => ({
      id: `R4.3 ${version}`,
      requires: `A prevResult of ${version} that the plugin does not change is returned equivalent.`,
      shows: 'interfaces, their indexes, addresses, gateways, routes, DNS and unknown keys all come back',
      test: async () => {
        const prevResult = {
          ...prevResultOf(version, '/run/netns/x'),
          'example.org/vendor': { kept: [1, null] },
        };
        assert.equal(await chained(version, prevResult), prevResult);
      },
    })),
    {
      id: 'R4.4',
      requires: 'A result of delegated address management has no interfaces.',
      inapplicable: 'nothing is delegated: the pod link has its addresses from the network in front',
    },
    {
      id: 'R4.5',
      requires: 'DEL, CHECK, GC and STATUS print nothing on success.',
      shows: 'nothing on stdout, nothing on stderr',
      test: () =>
        onPod(async (request) => {
          const newest = { ...request, conf: { ...NEWEST, prevResult: NEWEST } };
          await succeeds('ADD', newest);
          for (const command of ['CHECK', 'STATUS', 'GC', 'DEL']) silent(await cni(command, newest), command);
        }),
    },
    ...(
      [
        ['0.3.0', true],
        ['0.3.1', true],
        ['0.4.0', true],
        ['1.0.0', false],
        ['1.1.0', false],
      ] as const
    ).map(([version, isOld]) => ({
      id: `R4.6 ${version}`,
      requires: isOld
        ? `${version}: addresses have a "version", interfaces no MTU, an empty "dns" is written.`
        : `${version}: addresses have no "version", interfaces have an MTU, an empty "dns" is left out.`,
      shows: 'the result of a network on its own, whole; the index 0 of its addresses is written',
      test: () =>
        onBlue(
          async (request, netns) => {
            const { address } = await linkOf(netns, BLUE);
            const ip = (family: string, text: string) => ({
              ...(isOld ? { version: family } : {}),
              interface: 0,
              address: text,
            });
            assert.equal((await succeeds('ADD', request)).json, {
              cniVersion: version,
              interfaces: [
                { name: BLUE, mac: address, ...(isOld ? {} : { mtu: 1450 }), sandbox: netns.path },
              ],
              ips: [ip('4', '192.0.2.10/24'), ip('6', '2001:db8::10/64')],
              ...(isOld ? { dns: {} } : {}),
            });
          },
          { cniVersion: version },
        ),
    })),
    {
      id: 'R4.7',
      requires:
        'Output is JSON indented by four spaces; empty lists are left out; MACs are lower case with colons.',
      differs:
        'it is on one line: white space for depth would make hostile input many times larger; a parser does not mind',
      shows: 'the text of a result whose link has no address',
      test: () =>
        withNetns(async (netns) => {
          await netns.ip(`link add ${BLUE} address 02:00:00:AB:CD:EF type veth peer name host0`);
          const { stdout } = await succeeds('ADD', { netns: netns.path, ifname: BLUE });
          const mac = '02:00:00:ab:cd:ef';
          const result = {
            cniVersion: '1.0.0',
            interfaces: [{ name: BLUE, mac, mtu: 1500, sandbox: netns.path }],
          };
          assert.is(stdout, JSON.stringify(result));
        }),
    },
    {
      id: 'R4.8 up',
      requires: 'Conversion of results from 0.3/0.4 to 1.x drops the version of addresses.',
      differs:
        'a prevResult has the form of its configuration, so that there is nothing to convert; one of the other form is an error (R5.4)',
      shows: 'a prevResult of 0.4.0 in a configuration of 1.0.0 is refused',
      test: () => mismatched('1.0.0', '0.4.0'),
    },
    {
      id: 'R4.8 down',
      requires:
        'Conversion of results from 1.x to 0.3/0.4 adds the version of addresses and drops what those do not know.',
      differs: 'as above',
      shows:
        'a prevResult of 1.1.0 in a configuration of 0.3.1 is refused; our own result of 0.4.0 has no MTU',
      test: async () => {
        await mismatched('0.3.1', '1.1.0');
        await onBlue(
          async (request) => {
            const { json } = await succeeds('ADD', request);
            assert.equal(Object.keys(json.interfaces[0]), ['name', 'mac', 'sandbox']);
          },
          { cniVersion: '0.4.0' },
        );
      },
    },
    {
      id: 'R4.8 oldest',
      requires: 'Conversion to 0.1.0 or 0.2.0 fails without an IP address.',
      differs: 'it fails before anything is done (R3.1), and with code 1',
      shows: 'a network whose NAD says 0.2.0 leaves no tap behind',
      test: () =>
        withPod(BLUE, async (netns) => {
          const before = await dumpNetns(netns);
          const { json } = await cni('ADD', {
            netns: netns.path,
            ifname: BLUE,
            conf: { cniVersion: '0.2.0' },
          });
          assert.is(json.code, 1);
          sameNetns(await dumpNetns(netns), before);
        }),
    },
    {
      id: 'R4.8 string',
      requires: 'Between versions of one form (0.3.x and 0.4.0; 1.0.0 and 1.1.0) only the version changes.',
      shows: 'the rest of a prevResult of the sister version is untouched',
      test: async () => {
        for (const [version, sister] of [
          ['1.1.0', '1.0.0'],
          ['1.0.0', '1.1.0'],
          ['0.4.0', '0.3.1'],
          ['0.3.0', '0.4.0'],
        ] as const) {
          const prevResult = prevResultOf(sister, '/run/netns/x');
          assert.equal(await chained(version, prevResult), { ...prevResult, cniVersion: version });
        }
      },
    },
  ],
};

const mismatched = (version: string, other: string): Promise<void> =>
  refused(
    7,
    `Cannot read $.prevResult.cniVersion: want a result of the form of "${version}", got "${other}"`,
    {},
    conf({ cniVersion: version, prevResult: prevResultOf(other, '/x') }),
  );

const PREV_RESULT: Section = {
  title: '1.5 prevResult',
  rows: [
    {
      id: 'R5.1',
      requires: 'The first plugin of an ADD gets none, the later ones do.',
      shows: 'a network is wired with and without one',
      test: () =>
        onBlue(async (request, { path }) => {
          assert.is((await succeeds('ADD', request)).json.interfaces.length, 1);
          const prevResult = prevResultOf('1.0.0', path);
          assert.is((await succeeds('ADD', { ...request, conf: { prevResult } })).json.interfaces.length, 2);
        }),
    },
    {
      id: 'R5.2',
      requires: 'DEL tolerates a prevResult that is missing, null or broken.',
      shows: 'DEL restores with each of nine',
      test: () =>
        onPod(async (request) => {
          const broken = [
            undefined,
            null,
            [],
            'x',
            1,
            {},
            { cniVersion: '9' },
            { interfaces: 1 },
            { ips: [{}] },
          ];
          for (const prevResult of broken) {
            await succeeds('ADD', request);
            silent(await cni('DEL', { ...request, conf: { prevResult } }), JSON.stringify(prevResult));
            assert.is((await cni('CHECK', request)).json.code, 106, 'DEL did its work');
          }
        }),
    },
    {
      id: 'R5.3',
      requires: 'CHECK requires a prevResult.',
      shows: 'without one, or with null: code 7, "Required prevResult missing"',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          for (const lacking of [{}, { prevResult: null }]) {
            const { json } = await cni('CHECK', { ...request, conf: lacking });
            assert.equal([json.code, json.msg], [7, 'Required prevResult missing']);
          }
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R5.4 absent',
      requires: "Without a cniVersion of its own a prevResult has the configuration's.",
      shows: 'one without comes back with the version of the configuration, in 0.3.1 and 1.0.0',
      test: async () => {
        for (const version of ['0.3.1', '1.0.0']) {
          const { cniVersion: _, ...prevResult } = prevResultOf(version, '/run/netns/x');
          assert.equal(await chained(version, prevResult), { ...prevResult, cniVersion: version });
        }
      },
    },
    {
      id: 'R5.4 mismatch',
      requires: 'A prevResult of another form than the configuration is an error.',
      shows: 'code 7 that names $.prevResult.cniVersion, in both directions',
      test: async () => {
        await mismatched('0.4.0', '1.0.0');
        await mismatched('1.1.0', '0.4.0');
      },
    },
    {
      id: 'R5.4 zero',
      requires:
        'null and empty lists, "" and an interface index of -1, as old plugins write "none", are nothing.',
      shows: 'each passes through ADD as it came',
      test: async () => {
        for (const given of [
          { interfaces: null, ips: null, routes: null, dns: null },
          { interfaces: [], ips: [], routes: [], dns: {} },
          { ips: [{ version: '4', interface: -1, address: '192.0.2.10/24', gateway: '' }], dns: {} },
        ]) {
          const prevResult = { cniVersion: '0.3.1', ...given };
          assert.equal(await chained('0.3.1', prevResult), prevResult);
        }
      },
    },
    {
      id: 'R5.5',
      requires: 'CHECK allows for what later plugins of the chain changed: it compares with prevResult.',
      shows:
        'after another plugin changed MAC, MTU and addresses of the pod link CHECK succeeds with the result that says so, and fails with the older one',
      test: () =>
        onBlue(async (request, netns) => {
          const first = (await succeeds('ADD', request)).json;
          const checked = (prevResult: unknown) => cni('CHECK', { ...request, conf: { prevResult } });
          silent(await checked(first));
          await netns.ip(`link set ${BLUE} address 02:00:00:00:00:77 mtu 1460`);
          await netns.ip(`addr del 192.0.2.10/24 dev ${BLUE}`);
          await netns.ip(`addr add 192.0.2.99/24 dev ${BLUE}`);
          const [link] = first.interfaces;
          const last = {
            ...first,
            interfaces: [{ ...link, mac: '02:00:00:00:00:77', mtu: 1460 }],
            ips: [{ interface: 0, address: '192.0.2.99/24' }],
          };
          silent(await checked(last));
          const { json } = await checked(first);
          assert.is(json.code, 106);
          assert.match(json.msg, `"${BLUE}" has MAC 02:00:00:00:00:77 instead of ${link.mac}`);
          assert.match(json.msg, `"${BLUE}" has lost its address 192.0.2.10/24`);
        }),
    },
  ],
};

/** The error of a request that provokes that code. */
const CODES: readonly (readonly [number, string, () => Promise<{ code: number; msg: string }>])[] = [
  [1, 'incompatible version', () => refusal({}, conf({ cniVersion: '9.9.9' }))],
  [4, 'invalid environment variables; the message names them', () => refusal({ CNI_PATH: undefined })],
  [6, 'undecodable content', () => refusal({}, '{')],
  [7, 'invalid network configuration', () => refusal({}, conf({ mtu: 1 }))],
  [8, 'invalid netns', () => refusal({})],
  [50, 'STATUS: not available', statusWithoutTun],
];

const ERRORS: Section = {
  title: '1.6 Errors',
  rows: [
    {
      id: 'R6.1',
      requires: 'An error is an object of cniVersion, code, msg and, where there is more to say, details.',
      shows: 'exactly these keys; no empty details; the version is the one of the configuration',
      test: async () => {
        assert.equal(await refusal({}, conf({ cniVersion: '0.4.0' })), {
          cniVersion: '0.4.0',
          code: 8,
          msg: 'Cannot open netns "/run/netns/none": there is no network namespace',
        });
        const withDetails = await refusal({ CNI_CONTAINERID: '%' });
        assert.equal(Object.keys(withDetails), ['cniVersion', 'code', 'msg', 'details']);
      },
    },
    ...CODES.map(([code, meaning, provoke]) => ({
      id: `R6.2 ${code}`,
      requires: `Code ${code}: ${meaning}.`,
      shows: `a request that is refused with code ${code}`,
      test: async () => assert.is((await provoke()).code, code),
    })),
    {
      id: 'R6.2 2',
      requires: 'Code 2: unsupported field; the message names key and value.',
      differs:
        'a value that cannot be served is code 7 like every other bad value; the message names key, wanted and given value',
      shows: 'a binding that there is not is code 7',
      test: () =>
        refused(
          7,
          'Cannot read $.binding: want "tap" or "passt", got "bridge"',
          {},
          conf({ binding: 'bridge' }),
        ),
    },
    {
      id: 'R6.2 3',
      requires: 'Code 3: unknown container, no DEL is needed.',
      differs: 'DEL of an unknown container succeeds, so that nobody needs to know this code',
      shows: 'DEL of a container that was never added',
      test: () => onPod(async (request) => silent(await cni('DEL', { ...request, containerId: 'never' }))),
    },
    {
      id: 'R6.2 5',
      requires: 'Code 5: input or output failed.',
      shows: 'stdin that is a directory (R1.8)',
      test: () =>
        ENVIRONMENT.rows
          .filter(isTested)
          .find(({ id }) => id === 'R1.8 read')
          ?.test(),
    },
    {
      id: 'R6.2 11',
      requires: 'Code 11: try again later.',
      shows: 'ADD waits for a lock that is held on the netns, then says code 11 and has changed nothing',
      test: () =>
        onPod(async (request, { path }) => {
          const fd = openSync(path, 'r');
          try {
            assert.ok(native.tryLock(fd));
            const { json } = await cni('ADD', request);
            assert.equal(
              [json.code, json.msg],
              [11, "Cannot lock the pod's netns: another call has held it for 15 s"],
            );
          } finally {
            closeSync(fd);
          }
        }),
    },
    {
      id: 'R6.2 51',
      requires: 'Code 51: not available, and existing containers may have limited connectivity.',
      inapplicable:
        'wired pods go on without Tapwire: what they need is in their netns. Nothing that STATUS finds limits them',
    },
    {
      id: 'R6.3',
      requires: "0 to 99 are the specification's; a plugin's own codes begin at 100.",
      shows: 'a missing pod link is 100, a foreign link 101, broken wiring 106, a policy 107',
      test: () =>
        withNetns(async (netns) => {
          assert.is((await cni('ADD', binding(netns))).json.code, 100);
          await netns.ip('link add eth0 type veth peer name tap0');
          assert.is((await cni('ADD', binding(netns))).json.code, 101);
          assert.is((await cni('CHECK', binding(netns))).json.code, 106);
          assert.is((await cni('ADD', { netns: netns.path, ifname: 'eth0' })).json.code, 107);
        }),
    },
  ],
};

const DELETION: Section = {
  title: '1.7 DEL',
  rows: [
    {
      id: 'R7.1 twice',
      requires: 'DEL succeeds however often it comes.',
      shows: 'three times',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          for (let i = 0; i < 3; i++) silent(await cni('DEL', request));
        }),
    },
    {
      id: 'R7.1 gone',
      requires:
        'DEL succeeds where the interface, the netns or its path is gone, and where CNI_NETNS is empty.',
      shows:
        'a tap deleted by hand, a pod link deleted by hand, a netns that is gone, an empty and a missing CNI_NETNS',
      test: async () => {
        await onPod(async (request, { ip }) => {
          await succeeds('ADD', request);
          await ip('link del tap0');
          silent(await cni('DEL', request));
        });
        await withPod('eth0', async (netns) => {
          await succeeds('ADD', binding(netns));
          await netns.ip('link del eth0');
          silent(await cni('DEL', binding(netns)));
          assert.is(await netns.ip('-br link show type tun'), '');
        });
        const gone = await withPod('eth0', async (netns) => {
          await succeeds('ADD', binding(netns));
          return netns.path;
        });
        for (const CNI_NETNS of [gone, '', undefined]) silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS }));
      },
    },
    {
      id: 'R7.1 state',
      requires: 'DEL succeeds, and cleans up, without the state that ADD stored.',
      shows:
        'the record on the tap is overwritten: the filters on the pod link go all the same, and the tap is nobody’s to delete',
      test: () =>
        onPod(async (request, { ip, tc }) => {
          await succeeds('ADD', request);
          await ip('link set tap0 alias something-else');
          silent(await cni('DEL', request));
          assert.not.match(await tc('filter show dev eth0 ingress'), /mirred/);
          assert.not.match(await tc('qdisc show dev eth0'), /clsact/);
          await ip('link del tap0');
        }),
    },
    {
      id: 'R7.1 configuration',
      requires:
        'DEL is called with the configuration of ADD, or with that of today; the reference skeleton checks name and version.',
      differs:
        'DEL has no result, so no version can be wrong for it, and all that it needs is in the environment: what ADD rejects comes again with DEL, whose error would keep the pod from being deleted',
      shows:
        'DEL restores with each of 16 configurations: without cniVersion or name, with bad ones or of another type, with bad keys, without JSON; and with bad CNI_ARGS',
      test: () =>
        onPod(async (request, netns) => {
          const { CNI_COMMAND: _, ...env } = environmentOf('DEL', request);
          const configurations = [
            ...[undefined, null, '', '0.2.0', '1.2.0', '9.9.9', 'x', 1, {}].map((cniVersion) =>
              conf({ cniVersion }),
            ),
            ...[undefined, null, '', 'a%b', 1].map((name) => conf({ name })),
            conf({ binding: 'bridge', mtu: 'x', args: 1, runtimeConfig: [], capabilities: 1 }),
            '{',
          ];
          for (const input of configurations) {
            await succeeds('ADD', request);
            silent(await callWith({ ...env, CNI_COMMAND: 'DEL' }, input), input);
            assert.not.match(await netns.ip('link show'), /tap0/, input);
          }
          await succeeds('ADD', request);
          const CNI_ARGS = 'x;IgnoreUnknown=maybe;K8S_POD_NAME=a;K8S_POD_NAME=b';
          silent(await callWith({ ...env, CNI_COMMAND: 'DEL', CNI_ARGS, CNI_PATH: '' }, conf()));
        }),
    },
    {
      id: 'R7.1 version',
      requires: "An error of DEL is in the configuration's version.",
      shows: 'in 0.4.0 if the configuration says so, in 1.0.0 if it says a version that does not exist',
      test: async () => {
        // The plugin's own netns: whoever does the work refuses that.
        const changes = { CNI_COMMAND: 'DEL', CNI_NETNS: '/proc/self/ns/net' };
        for (const [cniVersion, want] of [
          ['0.4.0', '0.4.0'],
          ['9.9.9', '1.0.0'],
          [undefined, '1.0.0'],
        ] as const) {
          assert.is((await refusal(changes, conf({ cniVersion }))).cniVersion, want);
        }
      },
    },
    {
      id: 'R7.2',
      requires: 'DEL goes on after a failure, and reports only what is worth a retry.',
      shows: 'in process: of three operations two fail, all three ran, both failures are told',
      test: async () => {
        const ran: string[] = [];
        const ops = ['a', 'b', 'c'].map((link): Op => ({ op: 'deleteLink', link }));
        const run: Run = async (levels) =>
          levels.flat().map((op) => {
            const link = linksOf(op)[0] ?? '';
            ran.push(link);
            return link === 'b' ? null : new BindingError('KERNEL_REFUSED', `no ${link}`);
          });
        const failures = await attempt(ops, run);
        assert.equal(
          [ran, failures],
          [
            ['a', 'b', 'c'],
            ['no a', 'no c'],
          ],
        );
      },
    },
    {
      id: 'R7.3',
      requires: 'DEL may come without an ADD, or after one that failed.',
      shows: 'both change nothing',
      test: () =>
        onPod(async (request) => {
          silent(await cni('DEL', request));
          assert.is((await cni('ADD', { ...request, conf: { podLink: 'none0' } })).exitCode, 1);
          silent(await cni('DEL', request));
        }),
    },
    {
      id: 'R7.4',
      requires:
        'CNI_NETNS may be a path that is no namespace any more; other plugins fail on a file of another file system.',
      differs:
        'an ordinary file is what stays when a netns is unmounted and its name is not removed, so DEL takes it for gone and succeeds; ADD and CHECK refuse it',
      shows: 'DEL with an empty file and a directory succeeds, ADD with them is code 8',
      test: async () => {
        const folder = mkdtempSync(join(tmpdir(), 'tapwire-netns-'));
        try {
          const file = join(folder, 'left-over');
          writeFileSync(file, '');
          for (const CNI_NETNS of [file, folder]) {
            silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS }));
            await refused(8, /^Cannot open netns /, { CNI_NETNS });
            await refused(8, /^Cannot open netns /, { CNI_COMMAND: 'CHECK', CNI_NETNS }, conf(CHECKABLE));
          }
        } finally {
          rmSync(folder, { recursive: true });
        }
      },
    },
    {
      id: 'R7.4 reused',
      requires: 'The path may lead to a netns that somebody else uses by now.',
      shows: "DEL of one container leaves another's wiring in the same netns alone",
      test: () =>
        onPod(async (request, netns) => {
          await succeeds('ADD', request);
          const wired = await dumpNetns(netns);
          silent(await cni('DEL', { ...request, containerId: 'an-earlier-pod' }));
          sameNetns(await dumpNetns(netns), wired);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R7.5',
      requires: 'DEL of delegated address management is called in any case.',
      inapplicable: 'nothing is delegated',
    },
  ],
};

const damaged = (damage: (netns: TestNetns) => Promise<unknown>, defect: string | RegExp) =>
  onPod(async (request, netns) => {
    await succeeds('ADD', request);
    await damage(netns);
    const { exitCode, json } = await cni('CHECK', request);
    assert.equal([exitCode, json.code], [1, 106]);
    assert.match(json.msg, defect);
    await succeeds('DEL', request);
    if ((await netns.ip('-br link show type tun')) !== '') await netns.ip('link del tap0');
  });

const CHECKING: Section = {
  title: '1.8 CHECK',
  rows: [
    ...(
      [
        ['a deleted tap', ({ ip }: TestNetns) => ip('link del tap0'), 'tap "tap0" is gone'],
        ['a tap that is down', ({ ip }: TestNetns) => ip('link set tap0 down'), 'tap "tap0" is down'],
        [
          'a changed MTU of the tap',
          ({ ip }: TestNetns) => ip('link set tap0 mtu 1000'),
          'tap "tap0" has mtu 1000 instead of 1450',
        ],
        [
          'a deleted redirect',
          ({ tc }: TestNetns) => tc('filter del dev eth0 ingress'),
          '"eth0" has no redirect to "tap0"',
        ],
        [
          'a deleted qdisc',
          ({ tc }: TestNetns) => tc('qdisc del dev eth0 clsact'),
          '"eth0" has no clsact qdisc, so no redirect to "tap0"',
        ],
        [
          'a tap that is not ours any more',
          ({ ip }: TestNetns) => ip('link set tap0 alias foreign'),
          /"tap0" is a tun link that Tapwire did not make/,
        ],
      ] as const
    ).map(([why, damage, defect]) => ({
      id: `R8.1 ${why}`,
      requires: 'CHECK fails when what the plugin made is gone or changed.',
      shows: `CHECK names ${why}`,
      test: () => damaged(damage, defect),
    })),
    {
      id: 'R8.1 sandbox',
      requires: 'CHECK fails when the sandbox in prevResult is not CNI_NETNS.',
      shows: 'a result of another netns is code 106',
      test: () =>
        onBlue(async (request, { path }) => {
          const prevResult = (await succeeds('ADD', request)).json;
          prevResult.interfaces[0].sandbox = '/run/netns/elsewhere';
          const { json } = await cni('CHECK', { ...request, conf: { prevResult } });
          assert.is(json.code, 106);
          assert.match(
            json.msg,
            `Sandbox in prevResult /run/netns/elsewhere does not match configured netns ${path}`,
          );
        }),
    },
    {
      id: 'R8.1 delegate',
      requires: 'CHECK is passed on to delegated address management.',
      inapplicable: 'nothing is delegated; that the addresses in prevResult are there is checked (R5.5)',
    },
    {
      id: 'R8.2',
      requires: 'CHECK prints nothing and exits 0 when all is well; right after ADD it must be.',
      shows: 'CHECK at once after ADD, and again',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          silent(await cni('CHECK', request));
          silent(await cni('CHECK', request));
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'R8.2 untrue',
      requires: 'CHECK right after ADD succeeds also if prevResult claims what the pod link never had.',
      shows:
        'ADD warns of a MAC and an address that the link does not have; CHECK succeeds, and fails when an address is lost that was there',
      test: () =>
        onBlue(async (request, netns) => {
          const prevResult = prevResultOf('1.0.0', netns.path);
          prevResult.ips.push({ interface: 1, address: '10.77.0.9/24', gateway: '' });
          const call = { ...request, conf: { prevResult } };
          const { json, stderr } = await succeeds('ADD', call);
          assert.equal(json, prevResult);
          assert.match(stderr, `pod link \\"${BLUE}\\" has MAC 02:00:00:00:00:01, but it has `);
          assert.match(stderr, `pod link \\"${BLUE}\\" has address 10.77.0.9/24, but it has 192.0.2.10/24`);
          silent(await cni('CHECK', call));
          await netns.ip(`addr del 192.0.2.10/24 dev ${BLUE}`);
          const { code, msg } = (await cni('CHECK', call)).json;
          const lost = `pod link "${BLUE}" has lost its address 192.0.2.10/24`;
          assert.equal([code, msg], [106, `Cannot confirm the wiring of "${BLUE}": ${lost}`]);
        }),
    },
  ],
};

/** GC with that list leaves a wired pod as it is. */
const collected = (valid: Readonly<Record<string, unknown>>) =>
  onPod(async (request, netns) => {
    await succeeds('ADD', request);
    const wired = await dumpNetns(netns);
    const env = {
      CNI_COMMAND: 'GC',
      CNI_CONTAINERID: undefined,
      CNI_NETNS: undefined,
      CNI_IFNAME: undefined,
    };
    silent(await call(env, conf({ ...NEWEST, ...valid })));
    sameNetns(await dumpNetns(netns), wired);
    await succeeds('DEL', request);
  });

const COLLECTION: Section = {
  title: '1.9 GC',
  rows: [
    ...(
      [
        ['lists this attachment', { 'cni.dev/valid-attachments': [{ containerID: 'pod1', ifname: 'net1' }] }],
        ['lists another', { 'cni.dev/valid-attachments': [{ containerID: 'pod9', ifname: 'net1' }] }],
        ['is empty', { 'cni.dev/valid-attachments': [] }],
        ['is null', { 'cni.dev/valid-attachments': null, 'cni.dev/attachments': null }],
        ['is absent', {}],
      ] as const
    ).map(([why, valid]) => ({
      id: `R9.1 ${why}`,
      requires: `GC where cni.dev/valid-attachments ${why}.`,
      shows:
        'succeeds in silence; all that Tapwire makes is in the netns of a pod and goes with it, so no live pod is touched',
      test: () => collected(valid),
    })),
    {
      id: 'R9.2',
      requires: 'What an attachment left on the node outside the given list is removed.',
      shows: 'nothing is left: after a pod whose DEL never came, a netns that plays the node is as it was',
      test: async () => {
        await withPod('eth0', async (node) => {
          const before = await dumpNetns(node);
          await withPod('eth0', async ({ path }) => {
            const { exitCode } = await boundedCall(environment({ CNI_NETNS: path }), conf(), node);
            assert.is(exitCode, 0);
          });
          sameNetns(await dumpNetns(node), before);
        });
      },
    },
    {
      id: 'R9.3',
      requires:
        'GC needs no container, netns or interface name, goes on after errors and is passed on to delegates.',
      shows: 'GC with CNI_PATH alone; there are no delegates and nothing that can fail',
      test: async () => silent(await callWith({ CNI_COMMAND: 'GC', CNI_PATH: '/x' }, conf(NEWEST))),
    },
    {
      id: 'R9.4',
      requires: 'Before GC the runtime calls DEL for what it has cached and is not in the list.',
      inapplicable: "the runtime's part; each of those DELs is R7.1 to R7.4",
    },
  ],
};

const STATUS: Section = {
  title: '1.10 STATUS',
  rows: [
    {
      id: 'R10.1 ready',
      requires: 'STATUS exits 0 when ADD can be served.',
      shows: 'on this node, which can',
      test: async () => silent(await callWith({ CNI_COMMAND: 'STATUS', CNI_PATH: '/x' }, conf(NEWEST))),
    },
    {
      id: 'R10.1 not ready',
      requires: 'Else it is code 50 or 51 with the reason.',
      shows: 'without /dev/net/tun: code 50, and the message names what is missing',
      test: async () => {
        const { code, msg } = await statusWithoutTun();
        assert.is(code, 50);
        assert.match(msg, /^Cannot wire pods on this node: Cannot add tap .*; this kernel needs CONFIG_TUN/);
      },
    },
    {
      id: 'R10.1 traces',
      requires: 'STATUS leaves nothing behind.',
      shows: 'a netns that plays the node is the same after it',
      test: async () => {
        await withNetns(async (node) => {
          const before = await dumpNetns(node);
          const env = { CNI_COMMAND: 'STATUS', CNI_PATH: '/x' };
          assert.equal(await boundedCall(env, conf(NEWEST), node), {
            exitCode: 0,
            stdout: '',
            stderr: '',
            timedOut: false,
          });
          sameNetns(await dumpNetns(node), before);
        });
      },
    },
    {
      id: 'R10.1 delegate',
      requires: 'STATUS is passed on to delegated address management.',
      inapplicable: 'nothing is delegated',
    },
    {
      id: 'R10.2',
      requires: 'STATUS looks at what ADD needs: devices, kernel parts, a daemon.',
      shows:
        'it makes two taps in a netns of its own and redirects one to the other, which is all that ADD asks of a kernel',
      test: async () => {
        const env = { CNI_COMMAND: 'STATUS', CNI_PATH: '/x' };
        const { lines } = await traceCall(['ioctl'], env, conf(NEWEST));
        assert.is(lines.filter((line) => line.includes('TUNSETIFF')).length, 2);
      },
    },
  ],
};

const MAC = '02:00:00:00:0a:0b';
/** ADD on a pod link with that MAC. */
const withMac = (changes: Readonly<Record<string, unknown>>, args = '') =>
  withPod(BLUE, async ({ path, ip }) => {
    await ip(`link set ${BLUE} address ${MAC}`);
    return cni('ADD', { netns: path, ifname: BLUE, conf: changes, env: { CNI_ARGS: args } });
  });

/** What runtimeConfig may hold: a good value, a bad one and the path of it. */
const CAPABILITIES: readonly (readonly [string, unknown, unknown, string])[] = [
  [
    'portMappings',
    [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '192.0.2.1' }],
    [{ hostPort: 8080, containerPort: 0 }],
    'portMappings[0].containerPort',
  ],
  ['ipRanges', [[{ subnet: '192.0.2.0/24' }]], ['192.0.2.0/24'], 'ipRanges[0]'],
  [
    'bandwidth',
    { ingressRate: 2048, ingressBurst: 1600, egressRate: 4096, egressBurst: 1600 },
    { ingressRate: '2048' },
    'bandwidth.ingressRate',
  ],
  ['dns', { servers: ['192.0.2.53'], searches: ['a.b'], options: [] }, { servers: 'x' }, 'dns.servers'],
  ['ips', ['192.0.2.5/24', '2001:db8::5'], ['192.0.2.5/33'], 'ips[0]'],
  ['mac', MAC, '01:00:5e:00:00:01', 'mac'],
  ['infinibandGUID', '00:11:22:33:44:55:66:77', '00:11', 'infinibandGUID'],
  ['deviceID', '0000:03:02.0', 'a b', 'deviceID'],
  ['aliases', ['a', 'b'], [1], 'aliases[0]'],
  ['cgroupPath', '/kubepods/pod1', 1, 'cgroupPath'],
  ['CNIDeviceInfoFile', '/var/run/k8s.cni.cncf.io/devinfo/cni/x', {}, 'CNIDeviceInfoFile'],
];

const badArgs = (args: string, msg: string | RegExp): Promise<void> => refused(4, msg, { CNI_ARGS: args });

const ARGUMENTS: Section = {
  title: '1.11 Capabilities and arguments',
  rows: [
    ...CAPABILITIES.map(([key, good, bad, path]) => ({
      id: `R11.1 ${key}`,
      requires: `runtimeConfig.${key}: acted upon or rejected.`,
      ...(key === 'mac'
        ? {}
        : {
            differs:
              'it is checked and then nothing is made of it: whatever it asks of the pod link is done by the plugin in front, whose configuration has it as well',
          }),
      shows: `a good one is accepted, a broken one is code 7 that names $.runtimeConfig.${path}`,
      test: async () => {
        await reachesNetns({}, conf({ runtimeConfig: { [key]: good } }));
        const error = await refusal({}, conf({ runtimeConfig: { [key]: bad } }));
        assert.is(error.code, 7);
        assert.match(error.msg, `Cannot read $.runtimeConfig.${path}: `);
      },
    })),
    {
      id: 'R11.2 mac',
      requires: 'A MAC that is asked for is given or refused.',
      shows:
        'a network whose pod link has it is wired; one whose pod link has another is refused with code 7',
      test: async () => {
        assert.is((await withMac({ runtimeConfig: { mac: MAC.toUpperCase() } })).exitCode, 0);
        const { json } = await withMac({ runtimeConfig: { mac: '02:00:00:00:0a:0c' } });
        assert.is(json.code, 7);
        assert.match(json.msg, `Cannot give "${BLUE}" the MAC 02:00:00:00:0a:0c: it has ${MAC}`);
      },
    },
    {
      id: 'R11.2 form',
      requires:
        'A MAC is one value in every form that Go reads: with dashes, in groups of four digits, in capitals.',
      shows: 'each form of the pod link’s is accepted, by runtimeConfig, args.cni and CNI_ARGS',
      test: async () => {
        for (const mac of ['02-00-00-00-0A-0B', '0200.0000.0a0b', MAC.toUpperCase()]) {
          for (const [keys, args] of [
            [{ runtimeConfig: { mac } }],
            [{ args: { cni: { mac } } }],
            [{}, `MAC=${mac}`],
          ] as const) {
            assert.is((await withMac(keys, args)).exitCode, 0, mac);
          }
        }
      },
    },
    {
      id: 'R11.2 order',
      requires: 'runtimeConfig goes before args.cni, and that before CNI_ARGS.',
      shows: 'the MAC that goes before is compared with the pod link’s, the others are not',
      test: async () => {
        const other = '02:00:00:00:00:0f';
        const args = (mac: string) => ({ args: { cni: { mac } } });
        assert.is(
          (await withMac({ runtimeConfig: { mac: MAC }, ...args(other) }, `MAC=${other}`)).exitCode,
          0,
        );
        assert.is(
          (await withMac({ runtimeConfig: { mac: other }, ...args(MAC) }, `MAC=${MAC}`)).json.code,
          7,
        );
        assert.is((await withMac(args(MAC), `MAC=${other}`)).exitCode, 0);
        assert.is((await withMac(args(other), `MAC=${MAC}`)).json.code, 7);
        assert.is((await withMac({}, `MAC=${MAC}`)).exitCode, 0);
        assert.is((await withMac({}, `MAC=${other}`)).json.code, 7);
      },
    },
    {
      id: 'R11.3',
      requires:
        'args.cni: labels is a list of key and value, ips a list of addresses; other keys are metadata.',
      shows: 'good ones pass, a broken one is code 7 that names its path, unknown ones pass',
      test: async () => {
        const args = (cniArgs: unknown) => conf({ args: { cni: cniArgs, example: 1 } });
        await reachesNetns({}, args({ labels: [{ key: 'a', value: 'b' }], ips: ['192.0.2.5'], vendor: {} }));
        await refused(
          7,
          /^Cannot read \$\.args\.cni\.labels\[0\]\.value: /,
          {},
          args({ labels: [{ key: 'a' }] }),
        );
        await refused(7, /^Cannot read \$\.args\.cni\.ips\[0\]: /, {}, args({ ips: ['x'] }));
        await refused(7, /^Cannot read \$\.args\.cni\.mac: /, {}, args({ mac: '00:00:00:00:00:00' }));
      },
    },
    {
      id: 'R11.4 pairs',
      requires: 'CNI_ARGS is KEY=value with ";" between; anything else is an error.',
      shows: 'good ones pass, five bad ones are code 4 that names the pair',
      test: async () => {
        for (const args of ['', 'IgnoreUnknown=1', 'K8S_POD_NAME=a;K8S_POD_NAMESPACE=b', 'K8S_POD_NAME=']) {
          await reachesNetns({ CNI_ARGS: args });
        }
        for (const [args, pair] of [
          ['a', 'a'],
          ['K8S_POD_NAME=a;', ''],
          ['=;b', 'b'],
          ['K8S_POD_NAME=a=b', 'K8S_POD_NAME=a=b'],
          [';', ''],
        ] as const) {
          await badArgs(args, `ARGS: invalid pair ${JSON.stringify(pair)}`);
        }
      },
    },
    {
      id: 'R11.4 unknown',
      requires: 'Unknown keys are an error unless IgnoreUnknown is true; keys are case-sensitive.',
      shows:
        'with "1" and "true" in any letters they pass; without, and with "0" and "false", they are code 4',
      test: async () => {
        for (const yes of ['1', 'true', 'True', 'TRUE'])
          await reachesNetns({ CNI_ARGS: `IgnoreUnknown=${yes};foo=bar` });
        for (const no of ['IgnoreUnknown=0;foo=bar', 'IgnoreUnknown=False;foo=bar', 'foo=bar']) {
          await badArgs(no, 'ARGS: unknown args ["foo"]');
        }
        await badArgs('ignoreunknown=1', 'ARGS: unknown args ["ignoreunknown"]');
      },
    },
    {
      id: 'R11.4 twice',
      requires: 'If a key occurs twice, the later pair overrides the earlier one.',
      shows:
        "Multus thin's doubled keys pass, also with IgnoreUnknown as true and 1; the later of two MACs counts; " +
        'two different K8S_POD_NAMESPACE or K8S_POD_NAME are code 4, since the node policy reads them',
      test: async () => {
        const pod = 'K8S_POD_NAMESPACE=vms;K8S_POD_NAME=vm1;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1';
        await reachesNetns({ CNI_ARGS: `IgnoreUnknown=true;${pod};${pod};IgnoreUnknown=1;foo=bar` });
        await reachesNetns({ CNI_ARGS: 'MAC=ff:ff:ff:ff:ff:ff;MAC=02:00:00:00:00:01' });
        await badArgs(
          'K8S_POD_NAMESPACE=a;K8S_POD_NAMESPACE=b',
          'ARGS: two values of K8S_POD_NAMESPACE: "a" and "b"',
        );
        await badArgs('K8S_POD_NAME=a;K8S_POD_NAME=b', 'ARGS: two values of K8S_POD_NAME: "a" and "b"');
      },
    },
    {
      id: 'R11.4 boolean',
      requires: 'IgnoreUnknown is 1, true, 0 or false.',
      shows: 'anything else is code 4',
      test: async () => {
        for (const value of ['', 'yes', '2', ' true']) {
          await badArgs(`IgnoreUnknown=${value}`, `ARGS: boolean unmarshal error: invalid input ${value}`);
        }
      },
    },
    {
      id: 'R11.5',
      requires: 'Kubernetes’ keys, MAC and IP are understood.',
      shows: 'what containerd and Multus send passes; a broken MAC or IP is code 4 that names the key',
      test: async () => {
        const sent =
          'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=vm1;K8S_POD_INFRA_CONTAINER_ID=;K8S_POD_UID=1';
        await reachesNetns({ CNI_ARGS: `${sent};MAC=02:00:00:00:00:01;IP=192.0.2.5,2001:db8::5/64` });
        await badArgs('MAC=ff:ff:ff:ff:ff:ff', /^ARGS: .*MAC/);
        await badArgs('IP=192.0.2.300', /^ARGS: .*IP/);
      },
    },
    {
      id: 'R11.6',
      requires: 'What is given in args and in CNI_ARGS counts as in args.',
      shows: 'R11.2 order',
      test: () => reachesNetns({ CNI_ARGS: 'MAC=02:00:00:00:00:01' }, conf({ args: { cni: { mac: MAC } } })),
    },
  ],
};

const NETNS: Section = {
  title: '1.12 The netns of the node, 1.13 Chaining',
  rows: [
    {
      id: 'R12.1',
      requires: "ADD and DEL in the plugin's own netns: code 8; the library finds out afterwards.",
      differs: 'it is checked before anything is done: afterwards the node would be cut off',
      shows:
        'in a netns that plays the node, which has an eth0: ADD, DEL and CHECK are refused and it stays as it was',
      test: async () => {
        const msg = "plugin's netns and netns from CNI_NETNS should not be the same";
        await withPod('eth0', async (node) => {
          const before = await dumpNetns(node);
          for (const CNI_COMMAND of ['ADD', 'DEL', 'CHECK']) {
            for (const CNI_NETNS of ['/proc/self/ns/net', node.path]) {
              const env = environment({ CNI_COMMAND, CNI_NETNS });
              const error = errorOf(
                await boundedCall(env, conf(CHECKABLE), node),
                `${CNI_COMMAND} ${CNI_NETNS}`,
              );
              assert.equal([error.code, error.msg], [8, msg]);
            }
          }
          sameNetns(await dumpNetns(node), before);
        });
      },
    },
    {
      id: 'R12.2',
      requires: "CNI_NETNS_OVERRIDE=1 or TRUE allows the plugin's own netns.",
      differs:
        "it does not: a tap on a node's own link cuts the node off, and nothing of KubeVirt needs that",
      shows: '1, TRUE and true change nothing',
      test: async () => {
        for (const CNI_NETNS_OVERRIDE of ['1', 'TRUE', 'true']) {
          const changes = { CNI_NETNS: '/proc/self/ns/net', CNI_NETNS_OVERRIDE, CNI_IFNAME: 'podabsent' };
          assert.is((await refusal(changes, conf({ args: null }))).code, 8);
        }
      },
    },
    {
      id: 'R12.3',
      requires: 'A netns that cannot be opened is no error of this check, so that DEL works without it.',
      shows: 'DEL of a path that is not there',
      test: async () => silent(await call({ CNI_COMMAND: 'DEL' })),
    },
    {
      id: 'R13.1',
      requires:
        'A plugin that does not care for the kind of a link works chained on it, and alone where it can.',
      shows:
        'a network is wired after another plugin and on a link that is there; without any link it is code 100',
      test: () =>
        onBlue(async (request, netns) => {
          await succeeds('ADD', { ...request, conf: { prevResult: prevResultOf('1.0.0', netns.path) } });
          await succeeds('DEL', request);
          await succeeds('ADD', request);
          await netns.ip(`link del ${BLUE}`);
          await succeeds('DEL', request);
          assert.is((await cni('ADD', request)).json.code, 100);
        }),
    },
  ],
};

const RUNTIMES =
  'it is the runtime’s; containerd and a caller like Multus play that part in tests of their own';

const SKELETON: Section = {
  title: '7.1 Cases of the reference library: skeleton',
  rows: [
    {
      id: 'S1',
      requires: 'Environment and stdin are parsed and ADD, and only ADD, is run.',
      shows: 'ADD makes a tap',
      test: () => onPod(roundTrip),
    },
    {
      id: 'S2-S8',
      requires: 'Bad characters in the container id and bad interface names.',
      shows: 'one of each, with its details (R1.3, R1.4 have all)',
      test: async () => {
        assert.is((await refusal({ CNI_CONTAINERID: 'a/b' })).details, 'a/b');
        assert.match((await refusal({ CNI_IFNAME: 'sixteen-bytes-ab' })).details ?? '', 'sixteen-bytes-ab');
      },
    },
    {
      id: 'S9-S10',
      requires: 'Required and optional variables per command; several missing ones are listed in order.',
      shows: 'GC and STATUS too need no more than CNI_PATH (R1.1 has the others)',
      test: async () => {
        for (const CNI_COMMAND of SINCE_1_1) {
          await refused(
            4,
            'required env variables [CNI_PATH] missing',
            { CNI_COMMAND, CNI_PATH: '' },
            conf(NEWEST),
          );
          silent(await callWith({ CNI_COMMAND, CNI_PATH: '/x' }, conf(NEWEST)));
        }
      },
    },
    {
      id: 'S11',
      requires: 'No cniVersion, and the plugin speaks 0.1.0: ADD is run.',
      inapplicable: 'Tapwire does not speak 0.1.0 (R3.1)',
    },
    {
      id: 'S12',
      requires:
        'No cniVersion, and the plugin does not speak 0.1.0: code 1 with details, and nothing is run.',
      shows: 'no tap is made',
      test: () =>
        onPod(async ({ netns }) => {
          const { code, details } = await refusal({ CNI_NETNS: netns }, conf({ cniVersion: undefined }));
          assert.is(code, 1);
          assert.match(details ?? '', 'config is "0.1.0"');
        }),
    },
    {
      id: 'S13-S14',
      requires: 'CHECK is run; for a configuration of 0.3.0 it is code 1.',
      shows: 'both',
      test: async () => {
        await gated('CHECK', '0.3.0', '0.4.0');
        await onPod(roundTrip);
      },
    },
    {
      id: 'S15',
      requires: 'A plugin below 0.4.0 refuses CHECK with "plugin version does not allow CHECK".',
      shows: 'the same sentence for a configuration that is newer than the plugin (R3.4)',
      test: () =>
        refused(
          1,
          'plugin version does not allow CHECK',
          { CNI_COMMAND: 'CHECK' },
          conf({ cniVersion: '9.0.0' }),
        ),
    },
    {
      id: 'S16',
      requires: 'A configuration whose version is garbage: code 6.',
      shows: 'CHECK, GC and STATUS',
      test: async () => {
        for (const CNI_COMMAND of ['CHECK', 'GC', 'STATUS']) {
          await refused(6, /cniVersion/, { CNI_COMMAND }, conf({ cniVersion: 'rot' }));
        }
      },
    },
    {
      id: 'S17',
      requires: 'A network name with "%": code 7.',
      shows: 'the name is in details',
      test: async () => assert.is((await refusal({}, conf({ name: 'a%' }))).details, 'a%'),
    },
    {
      id: 'S18',
      requires: "A plugin's own version that is garbage: code 6.",
      inapplicable: 'the list of versions is part of the program, not given to it',
    },
    {
      id: 'S19-S24',
      requires: 'The same for GC, and STATUS, with 1.1.0.',
      shows: 'refused for 0.3.0 to 1.0.0, served for 1.1.0',
      test: async () => {
        for (const command of SINCE_1_1) {
          for (const older of SUPPORTED_VERSIONS.slice(0, -1)) await gated(command, older, '1.1.0');
        }
      },
    },
    {
      id: 'S25',
      requires: 'DEL works without CNI_NETNS.',
      shows: 'missing and empty',
      test: async () => {
        for (const CNI_NETNS of [undefined, '']) silent(await call({ CNI_COMMAND: 'DEL', CNI_NETNS }));
      },
    },
    {
      id: 'S26-S27',
      requires: 'VERSION prints JSON and needs no other variable.',
      shows: 'with CNI_COMMAND alone',
      test: async () => {
        const { json } = await callWith({ CNI_COMMAND: 'VERSION' }, '');
        assert.is(json.supportedVersions.at(-1), '1.1.0');
      },
    },
    {
      id: 'S28',
      requires: 'VERSION does not read stdin.',
      shows: 'it answers while stdin stays open',
      test: async () => {
        const { stdout, exitCode } = await withOpenStdin({ CNI_COMMAND: 'VERSION' });
        assert.equal([exitCode, JSON.parse(stdout).cniVersion], [0, '1.1.0']);
      },
    },
    {
      id: 'S29',
      requires: 'An unknown command: code 4.',
      shows: 'UPDATE',
      test: () => refused(4, 'unknown CNI_COMMAND: UPDATE', { CNI_COMMAND: 'UPDATE' }),
    },
    {
      id: 'S30',
      requires: 'A blank command, and the plugin has an about text: it is on stderr, exit 0.',
      shows: 'R1.7, and nothing is read from stdin',
      test: async () =>
        WAY === 'one-shot' ? noAbout() : assert.equal(await withOpenStdin({}), { stdout: '', exitCode: 0 }),
    },
    {
      id: 'S31',
      requires: 'A blank command, and the plugin has no about text: code 4.',
      inapplicable: 'there is an about text',
    },
    {
      id: 'S32',
      requires: 'stdin that cannot be read: code 5.',
      shows: 'R1.8',
      test: () =>
        ENVIRONMENT.rows
          .filter(isTested)
          .find(({ id }) => id === 'R1.8 read')
          ?.test(),
    },
    {
      id: 'S33',
      requires: 'An error with a code of its own passes unchanged.',
      shows: 'in process: each of our errors has its number, its message and its details',
      test: () => {
        const error = new BindingError('LINK_MISSING', 'Cannot x: y', { details: 'z' });
        assert.equal(toErrorResult(error, '1.0.0'), {
          cniVersion: '1.0.0',
          code: 100,
          msg: 'Cannot x: y',
          details: 'z',
        });
      },
    },
    {
      id: 'S34',
      requires: 'Any other error: code 999.',
      shows: 'in process: a TypeError, with its stack in details, and a thrown string',
      test: () => {
        const error = new TypeError('x is not a function');
        const { code, msg, details } = toErrorResult(error, '1.0.0');
        assert.equal([code, msg, details], [999, 'x is not a function', error.stack]);
        assert.equal(toErrorResult('boom', '1.0.0'), { cniVersion: '1.0.0', code: 999, msg: 'boom' });
      },
    },
  ],
};

/** ADD of a network with prevResult changed in one place; the error names the place. */
const badPrevResult = (change: Readonly<Record<string, unknown>>, path: string): Promise<void> =>
  refused(
    7,
    new RegExp(`^Cannot read \\$\\.prevResult\\.${path.replace(/[.[\]]/g, '\\$&')}: `),
    {},
    conf({ prevResult: { ...prevResultOf('1.0.0', '/x'), ...change } }),
  );

const LIBRARY: Section = {
  title: '7.1 Cases of the reference library: types and runtime',
  rows: [
    {
      id: 'L1',
      requires: 'A result of 1.1.0 with all its fields is written.',
      shows:
        'mtu, socketPath and pciID of interfaces; mtu, advmss, priority, table and scope of routes, also where they are 0',
      test: async () => {
        const prevResult = {
          cniVersion: '1.1.0',
          interfaces: [
            {
              name: BLUE,
              mac: MAC,
              mtu: 1450,
              sandbox: '/x',
              socketPath: '/run/x.sock',
              pciID: '0000:04:00.5',
            },
          ],
          ips: [{ interface: 0, address: '192.0.2.10/24' }],
          routes: [
            {
              dst: '198.51.100.0/24',
              gw: '192.0.2.1',
              mtu: 1400,
              advmss: 1360,
              priority: 100,
              table: 0,
              scope: 0,
            },
          ],
          dns: { nameservers: ['192.0.2.53'], domain: 'a.b', search: ['c.d'], options: ['ndots:1'] },
        };
        assert.equal(await chained('1.1.0', prevResult), prevResult);
      },
    },
    {
      id: 'L2',
      requires: 'A result of 1.0.0 becomes one of 1.1.0 and back.',
      shows: 'R4.8, with addresses that have no interface',
      test: async () => {
        const prevResult = { cniVersion: '1.0.0', ips: [{ address: '192.0.2.10/24' }] };
        assert.equal(await chained('1.1.0', prevResult), { ...prevResult, cniVersion: '1.1.0' });
      },
    },
    {
      id: 'L3',
      requires: 'Results of 0.1.0 and 0.2.0: written, converted, round trip with and without gateways.',
      inapplicable: 'Tapwire does not speak them (R3.1)',
    },
    {
      id: 'L4',
      requires: 'Results of 0.3.x and 0.4.0 are written.',
      shows: 'R4.6, and an IPv6 address has version "6"',
      test: () =>
        onBlue(
          async (request) => {
            const { json } = await succeeds('ADD', request);
            assert.equal(
              json.ips.map(({ version }: { version: string }) => version),
              ['4', '6'],
            );
          },
          { cniVersion: '0.3.0' },
        ),
    },
    {
      id: 'L5',
      requires: 'The interface index 0 is kept; a missing one stays missing.',
      shows: 'both in one prevResult',
      test: async () => {
        const prevResult = {
          cniVersion: '1.0.0',
          interfaces: [{ name: BLUE, sandbox: '/x' }],
          ips: [{ interface: 0, address: '192.0.2.10/24' }, { address: '192.0.2.11/24' }],
        };
        assert.equal(await chained('1.0.0', prevResult), prevResult);
      },
    },
    {
      id: 'L6',
      requires: 'Conversion to 0.1.0 without an IP address fails.',
      differs: 'refused up front (R3.1)',
      shows: 'code 1 before the netns is looked for',
      test: () => refused(1, 'incompatible CNI versions', {}, conf({ cniVersion: '0.1.0' })),
    },
    {
      id: 'L7',
      requires: 'Invalid JSON, and JSON that is no object, is refused.',
      shows:
        'code 6, also for a number, a string, a list and true; null is an empty object, as in Go, and has no name',
      test: async () => {
        await refused(6, /^Cannot parse/, {}, '{"a"');
        for (const text of ['1', '"x"', '[]', 'true']) {
          await refused(6, 'Cannot parse the network configuration: want an object', {}, text);
        }
        await refused(7, 'missing network name', {}, 'null');
      },
    },
    {
      id: 'L8',
      requires: 'cniVersion "" counts as 0.1.0.',
      shows: 'R3.6',
      test: async () => assert.match((await refusal({}, conf({ cniVersion: '' }))).details ?? '', '"0.1.0"'),
    },
    {
      id: 'L9',
      requires:
        'Addresses are IP addresses with a prefix length, gateways IP addresses, routes have a destination.',
      shows: 'a prevResult with a broken one is code 7 that names the place',
      test: async () => {
        await badPrevResult({ ips: [{ address: '192.0.2.10' }] }, 'ips[0].address');
        await badPrevResult({ ips: [{ address: '192.0.2.10/33' }] }, 'ips[0].address');
        await badPrevResult({ ips: [{ address: '192.0.2.10/24', gateway: 'x' }] }, 'ips[0].gateway');
        await badPrevResult({ ips: [{ address: '192.0.2.10/24', interface: -2 }] }, 'ips[0].interface');
        await badPrevResult({ routes: [{}] }, 'routes[0].dst');
        await badPrevResult({ routes: [{ dst: '0.0.0.0/0', gw: 1 }] }, 'routes[0].gw');
        await badPrevResult({ interfaces: [{ name: 1 }] }, 'interfaces[0].name');
        await badPrevResult({ interfaces: {} }, 'interfaces');
        await badPrevResult({ dns: [] }, 'dns');
      },
    },
    {
      id: 'L10',
      requires: 'The text of an error, with and without details.',
      shows: 'R6.1',
      test: async () => {
        assert.is('details' in (await refusal({})), false);
        assert.is((await refusal({ CNI_CONTAINERID: '%' })).details, '%');
      },
    },
    {
      id: 'L11',
      requires: 'Booleans in CNI_ARGS; unknown keys ignored, not ignored, explicitly not ignored.',
      shows: 'R11.4',
      test: async () => {
        await reachesNetns({ CNI_ARGS: 'foo=bar;IgnoreUnknown=1' });
        await badArgs('foo=bar', 'ARGS: unknown args ["foo"]');
        await badArgs('foo=bar;IgnoreUnknown=false', 'ARGS: unknown args ["foo"]');
      },
    },
    {
      id: 'L12',
      requires: 'A prevResult is parsed; one of an unknown version or of another form fails; none is fine.',
      shows: 'each of the four',
      test: async () => {
        await reachesNetns({}, conf({ prevResult: prevResultOf('1.0.0', '/x') }));
        for (const [version, unknown] of [
          ['1.0.0', '9.9.9'],
          ['1.1.0', '1.2.0'],
          ['0.3.1', '0.2.0'],
          ['0.4.0', 'x'],
        ] as const) {
          const prevResult = { cniVersion: unknown };
          const msg = /^Cannot read \$\.prevResult\.cniVersion: /;
          await refused(7, msg, {}, conf({ cniVersion: version, prevResult }));
        }
        await mismatched('1.0.0', '0.3.0');
        await reachesNetns({}, conf());
      },
    },
    {
      id: 'L13',
      requires: 'Versions are compared; what cannot be parsed is an error; a list "starting from" a version.',
      shows: 'R3.4; the list starts from 0.3.0',
      test: () => assert.equal([SUPPORTED_VERSIONS[0], SUPPORTED_VERSIONS.at(-1)], ['0.3.0', '1.1.0']),
    },
    {
      id: 'L14',
      requires:
        'Results are fed forward in a chain; capabilities are filtered; an error stops the chain; results are cached.',
      inapplicable: RUNTIMES,
    },
    {
      id: 'L15',
      requires: 'disableCheck, disableGC, the order of DEL and of CHECK, STATUS stopping at the first error.',
      inapplicable: RUNTIMES,
    },
    {
      id: 'L16',
      requires: 'A plugin that takes too long is reported.',
      inapplicable: `${RUNTIMES}; no call here waits longer for another than 15 s (R6.2 11)`,
    },
  ],
};

/** T1 of the tap plugin, with what a binding has no part in (addresses) left out. */
const tapLife = (cniVersion: string) =>
  onPod(async (request, netns) => {
    const versioned = (prevResult?: unknown): Call => ({
      ...request,
      conf: { cniVersion, owner: 0, group: 0, prevResult },
    });
    if (cniVersion === '1.1.0') silent(await cni('STATUS', versioned()));
    const { json } = await succeeds('ADD', versioned());
    const { address, linkinfo } = await linkOf(netns, 'tap0');
    assert.equal([linkinfo.info_kind, linkinfo.info_data.type], ['tun', 'tap']);
    assert.match(address, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    assert.equal([linkinfo.info_data.user, linkinfo.info_data.group], ['root', 'root']);
    const check = await cni('CHECK', versioned(json));
    if (cniVersion < '0.4.0') assert.is(check.json.msg, 'config version does not allow CHECK');
    else silent(check);
    for (let i = 0; i < 2; i++) silent(await cni('DEL', versioned(json)));
    assert.is(await netns.ip('-br link show type tun'), '');
  });

/** ADD of a binding with these keys; what the kernel then says of the tap. */
const tapOf = (changes: Readonly<Record<string, unknown>>) =>
  withPod('eth0', async (netns) => {
    const request = binding(netns, changes);
    await succeeds('ADD', request);
    await succeeds('CHECK', request);
    const tap = await linkOf(netns, 'tap0');
    return { mtu: tap.mtu, ...tap.linkinfo.info_data };
  });

const TAP: Section = {
  title: '7.2 Cases of the tap plugin',
  rows: [
    ...SUPPORTED_VERSIONS.map((version) => ({
      id: `T1 ${version}`,
      requires: 'STATUS, ADD, CHECK, DEL and DEL of a tap with owner 0 and group 0.',
      shows:
        'the tap is there with both, CHECK succeeds (or is refused before 0.4.0), DEL removes it, a second DEL succeeds',
      test: () => tapLife(version),
    })),
    {
      id: 'T1 addresses',
      requires: 'The tap has the address that was delegated, the result its IP and the CNI_IFNAME.',
      inapplicable: 'the tap has no address: the guest has the pod link’s',
    },
    {
      id: 'T2',
      requires: 'With `bridge` the tap is a port of that bridge.',
      differs:
        'a tap is wired to its pod link by a redirect, so `bridge` is a key that nobody reads, and a warning says so',
      shows: 'the tap has no master and its frames go to the pod link',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip('link add br1 type bridge');
          const { stderr } = await succeeds('ADD', { ...request, conf: { bridge: 'br1' } });
          assert.equal(JSON.parse(stderr).keys, ['bridge']);
          assert.is((await linkOf(netns, 'tap0')).master, undefined);
          assert.match(await netns.tc('filter show dev tap0 ingress'), /Redirect to device eth0/);
          await succeeds('DEL', request);
          await netns.ip('link del br1');
        }),
    },
    {
      id: 'T3 mac',
      requires: 'The MAC from each source.',
      shows: 'R11.2; $.mac of the configuration is a key that nobody reads, and a warning says so',
      test: async () => {
        const { exitCode, stderr } = await withMac({ mac: '02:00:00:00:00:0f' });
        assert.equal([exitCode, JSON.parse(stderr).keys], [0, ['mac']]);
      },
    },
    {
      id: 'T3 mtu',
      requires: 'The MTU that is asked for.',
      shows: 'the pod link’s without the key, a smaller one with it; a larger one is code 7',
      test: async () => {
        assert.is((await tapOf({})).mtu, 1450);
        assert.is((await tapOf({ mtu: 68 })).mtu, 68);
        await withPod('eth0', async (netns) => {
          const { json } = await cni('ADD', binding(netns, { mtu: 1451 }));
          assert.equal(
            [json.code, json.msg],
            [7, 'Cannot read $.mtu: want at most 1450, the mtu of "eth0", got 1451'],
          );
        });
      },
    },
    {
      id: 'T3 multiQueue',
      requires: 'multiQueue makes a tap of many queues.',
      shows: 'with and without',
      test: async () => {
        assert.is((await tapOf({})).multi_queue, false);
        assert.is((await tapOf({ multiQueue: true })).multi_queue, true);
      },
    },
    {
      id: 'T3 vnet_hdr',
      requires: 'The tap has the header that virtio needs, and no packet information.',
      shows: 'vnet_hdr on, pi off, persistent',
      test: async () => {
        const { vnet_hdr, pi, persist } = await tapOf({});
        assert.equal([vnet_hdr, pi, persist], [true, false, true]);
      },
    },
    {
      id: 'T3 owner',
      requires: 'Owner and group: unset, 0, 107.',
      differs: 'unset is 107, QEMU in virt-launcher; "none" is nobody in particular',
      shows: 'unset, 0, 107, the largest id and "none"',
      test: async () => {
        const owners = async (changes: Readonly<Record<string, unknown>>) => {
          const { user, group } = await tapOf(changes);
          return [user, group].map((name) => ({ root: '0' })[String(name)] ?? name);
        };
        const unset = await owners({});
        assert.equal(await owners({ owner: 107, group: 107 }), unset);
        assert.equal(await owners({ owner: 0, group: 0 }), ['0', '0']);
        assert.equal((await owners({ owner: 4294967294, group: 4294967294 })).map(String), [
          '4294967294',
          '4294967294',
        ]);
        assert.equal(await owners({ owner: 'none', group: 'none' }), [undefined, undefined]);
      },
    },
    {
      id: 'T3 taken',
      requires: 'A name that is taken: an error, and what was there is untouched.',
      shows: 'a veth called tap0',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip('link add tap0 type veth peer name other0');
          const before = await dumpNetns(netns);
          const { json } = await cni('ADD', request);
          assert.equal(
            [json.code, json.msg],
            [101, 'Cannot add tap "tap0": that name is taken by a veth link that Tapwire did not make'],
          );
          sameNetns(await dumpNetns(netns), before);
          await netns.ip('link del tap0');
        }),
    },
    {
      id: 'T3 rollback',
      requires: 'A failure after the tap was made leaves no tap.',
      shows: 'the kernel refuses the MTU of a tap whose pod link has a larger one than taps may have',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip('link set eth0 mtu 65535');
          assert.is((await cni('ADD', request)).json.code, 104);
          assert.is(await netns.ip('-br link show type tun'), '');
          await netns.ip('link set eth0 mtu 1450');
        }),
    },
    {
      id: 'T3 rollback order',
      requires: 'What was done is undone, newest first, also when one undo fails.',
      shows: 'in process',
      test: async () => {
        const ran: string[] = [];
        const step = (link: string) => ({
          do: { op: 'setUp', link, on: true } as const,
          undo: { op: 'setUp', link, on: false } as const,
        });
        const run: Run = async (levels) =>
          levels.flat().map((op) => {
            const what = op.op === 'setUp' ? `${op.on ? '+' : '-'}${op.link}` : op.op;
            ran.push(what);
            return what === '+c' || what === '-b' ? new BindingError('KERNEL_REFUSED', `no ${what}`) : null;
          });
        const levels = ['a', 'b', 'c'].map((link) => [step(link)]);
        const error = await apply(levels, run).catch((thrown) => thrown);
        assert.equal(ran, ['+a', '+b', '+c', '-b', '-a']);
        assert.equal([error.message, error.details], ['no +c (rollback incomplete)', 'no -b']);
      },
    },
    {
      id: 'T3 tools',
      requires: 'No program of the node is needed.',
      shows: 'every call of these tests has an empty PATH; ADD starts no other program than its own',
      test: () =>
        onPod(async (request) => {
          const { lines } = await traceCall(['execve'], environment({ CNI_NETNS: request.netns }), conf());
          const programs = lines.map((line) => /execve\("(?:[^"]*\/)?([^"]*)"/.exec(line)?.[1]);
          const own = { 'one-shot': ['node'], agent: [], fallback: ['tapwire', 'ld.so'] };
          assert.equal(programs, own[WAY]); // the agent runs all the time
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'T3 check owner',
      requires: 'CHECK finds a wrong owner.',
      shows: 'a tap of 107 where the configuration now says 0',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          const { json } = await cni('CHECK', { ...request, conf: { ...CHECKABLE, owner: 0 } });
          assert.match(json.msg, 'tap "tap0" has owner 107 instead of 0');
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'T3 unprivileged',
      requires: 'The owner attaches to the tap without any capability, nobody else does.',
      shows: 'uid 107 with gid 107 may, uid 108 may not',
      test: () =>
        onPod(async (request, { name }) => {
          await succeeds('ADD', request);
          assert.is(await attachAs(107, name), 'attached');
          assert.match(await attachAs(108, name), /not permitted/i);
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'T3 bridge',
      requires: 'A missing bridge: an error and no tap left; CHECK finds a wrong master.',
      inapplicable: 'there is no bridge (T2)',
    },
    {
      id: 'T3 lease',
      requires: 'A failing address management leaves no tap and no lease.',
      inapplicable: 'there is no address management',
    },
  ],
};

/** Attaches to tap0 in the netns as that user, without capabilities; what came of it. */
async function attachAs(uid: number, netns: string): Promise<string> {
  // TUNSETIFF of a struct ifreq: 16 bytes of name, then IFF_TAP | IFF_NO_PI | IFF_VNET_HDR.
  const attach =
    'open(my $tun, "+<&=", 3) or die $!;' +
    'my $request = pack("a16 s x22", "tap0", 0x5002);' +
    'ioctl($tun, 0x400454ca, $request) or die $!;' +
    'print "attached"';
  const drop = `--reuid ${uid} --regid ${uid} --clear-groups --inh-caps=-all --bounding-set=-all`;
  // Root opens the device, as kubelet lets a VM's container do; who may attach to the tap is another matter.
  const script = `exec 3<>/dev/net/tun; exec setpriv ${drop} /usr/bin/perl -e '${attach}'`;
  const { stdout, stderr } = await execa('ip', ['netns', 'exec', netns, 'sh', '-c', script], {
    reject: false,
  });
  return stdout || stderr;
}

const MULTUS: Section = {
  title: '7.7 What Multus does',
  rows: [
    {
      id: 'M1',
      requires: 'A result without interfaces is accepted.',
      shows: 'a binding answers with its version alone (R4.1 binding), in every version',
      test: () =>
        onPod(async (request) => {
          for (const cniVersion of SUPPORTED_VERSIONS) {
            assert.equal((await succeeds('ADD', { ...request, conf: { cniVersion } })).json, { cniVersion });
          }
          await succeeds('DEL', request);
        }),
    },
    {
      id: 'M2',
      requires: 'When a later delegate fails, DEL comes for the earlier ones.',
      shows: 'DEL after ADD, without prevResult, restores',
      test: () =>
        onPod(async (request) => {
          await succeeds('ADD', request);
          silent(await cni('DEL', { ...request, conf: {} }));
        }),
    },
    {
      id: 'M3',
      requires: 'A configuration without a name is given that of its NAD.',
      inapplicable: 'Multus does that; without a name it is code 7 (R1.5)',
    },
    {
      id: 'M4',
      requires: 'runtimeConfig arrives with portMappings, mac, ips and deviceID.',
      shows: 'all at once are accepted',
      test: () =>
        reachesNetns(
          {},
          conf({ runtimeConfig: Object.fromEntries(CAPABILITIES.map(([key, good]) => [key, good])) }),
        ),
    },
    {
      id: 'M5',
      requires: 'deviceID and pciBusID are written into every plugin of a chain.',
      shows: 'they are accepted in silence; what is no device id is code 7',
      test: async () => {
        const device = { deviceID: 'dataplaneMvp7', pciBusID: 'dataplaneMvp7' };
        const { stderr } = await call({}, conf(device));
        assert.equal(
          stderr.split('\n').map((line) => JSON.parse(line).level),
          ['error'],
        );
        await refused(7, /^Cannot read \$\.deviceID: /, {}, conf({ ...device, deviceID: 'a\nb' }));
        await refused(7, /^Cannot read \$\.pciBusID: /, {}, conf({ ...device, pciBusID: {} }));
      },
    },
    {
      id: 'M6',
      requires: "The annotation's cni-args are merged into args.cni.",
      shows: 'a network is found by args.cni.logicNetworkName among other args',
      test: () =>
        onPod(async (request, netns) => {
          await netns.ip(`link add ${BLUE} type veth peer name host1`);
          await netns.ip(`link set ${BLUE} addrgenmode none`);
          const args = { args: { other: {}, cni: { ips: ['192.0.2.5'], logicNetworkName: 'blue' } } };
          await succeeds('ADD', { netns: request.netns, conf: args });
          assert.is((await linkOf(netns, BLUE_TAP)).ifname, BLUE_TAP);
          await succeeds('DEL', request);
          await netns.ip(`link del ${BLUE}`);
        }),
    },
    {
      id: 'M7',
      requires: 'CNI_ARGS of the environment are merged.',
      shows: 'more keys, with IgnoreUnknown, pass',
      test: () =>
        reachesNetns({
          CNI_ARGS: 'IgnoreUnknown=true;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;X_Y=1;MAC=02:00:00:00:00:01',
        }),
    },
    {
      id: 'M8',
      requires: 'DEL after the pod is gone uses what was cached; without a cache there may be no cni-args.',
      shows: 'DEL without args restores, and DEL without CNI_IFNAME is code 4 and leaves a wired pod alone',
      test: () =>
        onPod(async (request, netns) => {
          await succeeds('ADD', request);
          const wired = await dumpNetns(netns);
          const { json } = await cni('DEL', { netns: request.netns, ifname: '' });
          assert.is(json.code, 4);
          sameNetns(await dumpNetns(netns), wired);
          silent(await cni('DEL', { netns: request.netns }));
        }),
    },
    {
      id: 'M9',
      requires: 'GC and STATUS come without a pod.',
      shows: 'neither needs CNI_ARGS',
      test: async () => {
        for (const CNI_COMMAND of SINCE_1_1)
          silent(await callWith({ CNI_COMMAND, CNI_PATH: '/x' }, conf(NEWEST)));
      },
    },
    {
      id: 'M10',
      requires:
        'Annotations with more than one "/" or "@", with spaces, or names above 15 characters are refused.',
      inapplicable: 'Multus parses them; a name that gets through is R1.4',
    },
  ],
};

const PASST: Section = {
  title: '7.8 Cases of the passt binding',
  rows: [
    {
      id: 'P1',
      requires: 'ADD answers with its version alone.',
      shows: 'passt, tap: `{"cniVersion":"1.0.0"}` and nothing else; 0.3.1, which KubeVirt’s examples have',
      test: () =>
        onPod(async (request) => {
          for (const kind of ['passt', 'tap']) {
            for (const cniVersion of ['1.0.0', '0.3.1']) {
              const own = { ...request, conf: { binding: kind, cniVersion } };
              assert.is((await succeeds('ADD', own)).stdout, `{"cniVersion":"${cniVersion}"}`);
              await succeeds('DEL', own);
            }
          }
        }),
    },
    {
      id: 'P2',
      requires: 'ADD sets two sysctls; a failure of either is reported.',
      shows:
        'both are set in the pod; where the kernel refuses one, code 104 names it, and neither has changed',
      test: () =>
        onPod(async (request, netns) => {
          const own = { ...request, conf: { binding: 'passt' } };
          const fresh = await passtSysctls(netns);
          for (const sysctl of ['ip_unprivileged_port_start', 'ping_group_range']) {
            const inject = ['-e', 'trace=write', '-e', 'inject=write:error=EIO'];
            const path = ['-P', `/proc/sys/net/ipv4/${sysctl}`];
            const input = JSON.stringify(netconf(own));
            const { json } = await callFailing([...inject, ...path], environmentOf('ADD', own), input);
            assert.is(json.code, 104);
            assert.match(
              json.msg,
              new RegExp(`^Cannot set net\\.ipv4\\.${sysctl} to "[\\d ]+": write: Input/output error$`),
            );
            assert.equal(await passtSysctls(netns), fresh);
          }
          await succeeds('ADD', own);
          assert.equal(await passtSysctls(netns), [0, 107, 107]);
        }),
    },
    {
      id: 'P3',
      requires: 'DEL and CHECK succeed on empty arguments.',
      differs:
        'both need their variables, as the reference skeleton has it: DELs without an interface name come from hot-plug roll-backs and must not touch a running VM',
      shows: 'code 4 for both',
      test: async () => {
        for (const CNI_COMMAND of ['DEL', 'CHECK']) {
          const { json } = await callWith({ CNI_COMMAND }, '{}');
          assert.is(json.code, 4);
        }
      },
    },
  ],
};

// ---- the table

const SECTIONS: readonly Section[] = [
  ENVIRONMENT,
  INPUT,
  VERSIONS,
  RESULTS,
  PREV_RESULT,
  ERRORS,
  DELETION,
  CHECKING,
  COLLECTION,
  STATUS,
  ARGUMENTS,
  NETNS,
  SKELETON,
  LIBRARY,
  TAP,
  MULTUS,
  PASST,
];

/** Most of a row's time is spent waiting for others: the kernel, a lock. */
const AT_ONCE = 3;

/** Runs all of `acts`, so many at once, in their order; a promise for each. */
function startAll(acts: readonly (() => unknown)[]): readonly Promise<unknown>[] {
  const waiting: (() => Promise<unknown>)[] = [];
  const started = acts.map(
    (act) =>
      new Promise((resolve) => {
        waiting.push(async () => {
          const done = (async () => act())();
          resolve(
            done.then(
              () => null,
              (error) => ({ error }),
            ),
          );
          await done.catch(() => null);
        });
      }),
  );
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next();
  };
  for (let i = 0; i < AT_ONCE; i++) void work();
  return started;
}

const tested = SECTIONS.flatMap(({ rows }) => rows).filter(isTested);
const outcomes = startAll(tested.map((row) => row.test));
const passed = new Set<string>();
for (const [index, row] of tested.entries()) {
  test(titleOf(row), async () => {
    const failure = (await outcomes[index]) as { readonly error: unknown } | null;
    if (failure !== null) throw failure.error;
    passed.add(titleOf(row));
  });
}

test('every requirement is in the table once', () => {
  const ids = SECTIONS.flatMap(({ rows }) => rows).map(({ id }) => id);
  assert.equal(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
});

test('docs/conformance.md is what these tests found', () => settleDocument(renderTable(SECTIONS, passed)));

test.run();
