/** How the rows of the conformance table call the plugin. */

import * as assert from 'uvu/assert';
import { type Answer, type Call, callUnder, callWith, cni, netconf } from '../../helpers/plugin/cni.ts';

export type Changes = Readonly<Record<string, string | undefined>>;

/**
 * A call with everything that ADD needs; the netns does not exist, so that whoever gets there says
 * so with code 8.
 */
const COMPLETE: Readonly<Record<string, string>> = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'pod1',
  CNI_NETNS: '/run/netns/none',
  CNI_IFNAME: 'net1',
  CNI_PATH: '/opt/cni/bin',
};

const BINDING = { args: { cni: { logicNetworkName: 'default' } } };

export const CHECKABLE = { prevResult: { cniVersion: '1.0.0' } };

/** The complete environment, changed; undefined takes a variable away. */
export function environment(changes: Changes): Record<string, string> {
  const entries = Object.entries({ ...COMPLETE, ...changes });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

export const conf = (changes: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ ...netconf({ conf: BINDING }), ...changes });

export const call = (changes: Changes, input: string = conf()): Promise<Answer> =>
  callWith(environment(changes), input);

/** Code, message and details of a refusal, which must be all that there is on stdout. */
export async function refusal(changes: Changes, input: string = conf()) {
  const { exitCode, json } = await call(changes, input);
  assert.is(exitCode, 1, `refused: ${JSON.stringify(json)}`);
  return json as { cniVersion: string; code: number; msg: string; details?: string };
}

/** Fails unless the call is refused with that code and message. */
export async function refused(
  code: number,
  msg: string | RegExp,
  changes: Changes,
  input?: string,
): Promise<void> {
  const error = await refusal(changes, input);
  assert.is(error.code, code, error.msg);
  if (typeof msg === 'string') assert.is(error.msg, msg);
  else assert.match(error.msg, msg);
}

/** Every check before the netns passed: it is the netns that is missing. */
export const reachesNetns = (changes: Changes, input?: string): Promise<void> =>
  refused(8, 'Cannot open netns "/run/netns/none": there is no network namespace', changes, input);

export const silent = (answer: Answer, why?: string): void =>
  assert.equal(
    { exitCode: answer.exitCode, stdout: answer.stdout, stderr: answer.stderr },
    { exitCode: 0, stdout: '', stderr: '' },
    why,
  );

export async function succeeds(command: string, request: Call): Promise<Answer> {
  const answer = await cni(command, request);
  assert.is(answer.exitCode, 0, `${command}: ${answer.stdout}`);
  return answer;
}

export const ALL_VARIABLES = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'];

/**
 * Which of them each command needs, as the reference skeleton has it; but DEL as the specification
 * has it.
 */
export const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  ADD: ALL_VARIABLES,
  CHECK: ALL_VARIABLES,
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
};

export const NEWEST = { cniVersion: '1.1.0' };

export const SINCE_1_1 = ['GC', 'STATUS'];

export const versionFor = (command: string) => (SINCE_1_1.includes(command) ? NEWEST : {});

export async function needs(command: string): Promise<void> {
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

export async function gated(command: string, older: string, since: string): Promise<void> {
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
export const noAbout = (): Promise<void> =>
  refused(4, 'required env variables [CNI_COMMAND] missing', { CNI_COMMAND: undefined }, '');

/** STATUS where the device that taps are made of is not there. */
export async function statusWithoutTun(): Promise<{ code: number; msg: string }> {
  const without = 'PATH=/usr/bin; mount -t tmpfs none /dev/net && exec "$@"';
  const { exitCode, stdout, json } = await callUnder(
    ['/usr/bin/unshare', '--mount', '/bin/sh', '-c', without, 'sh'],
    { CNI_COMMAND: 'STATUS', CNI_PATH: '/opt/cni/bin' },
    conf(NEWEST),
  );
  assert.is(exitCode, 1, stdout);
  return json;
}

export async function roundTrip(request: Call): Promise<void> {
  await succeeds('ADD', request);
  await succeeds('CHECK', request);
  await succeeds('DEL', request);
}

export const MAC = '02:00:00:00:0a:0b';

/** What runtimeConfig may hold: a good value, a bad one and the path of it. */
export const CAPABILITIES: readonly (readonly [string, unknown, unknown, string])[] = [
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

export const badArgs = (args: string, msg: string | RegExp): Promise<void> =>
  refused(4, msg, { CNI_ARGS: args });
