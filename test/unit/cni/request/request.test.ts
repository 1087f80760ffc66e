import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRequest } from '../../../../cni/request/request.ts';
import { SUPPORTED_VERSIONS } from '../../../../cni/request/version.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('parseRequest()');

const ENV = {
  CNI_CONTAINERID: 'pod1',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'net1',
  CNI_PATH: '/opt/cni/bin',
};
const CONF = { cniVersion: '1.1.0', name: 'tapwire' };
const parse = (command: string, env: Record<string, string> = {}, conf: unknown = CONF) =>
  parseRequest({ ...ENV, CNI_COMMAND: command, ...env }, () =>
    Buffer.from(typeof conf === 'string' ? conf : JSON.stringify(conf)),
  );

const NO_POD = { namespace: null, name: null };
const KEY = { containerId: 'pod1', ifname: 'net1' };

for (const command of ['ADD', 'CHECK'] as const) {
  test(`${command} has every field`, () => {
    const { conf, ...request } = parse(command) as Extract<ReturnType<typeof parse>, { conf: unknown }>;
    assert.equal(request, { command, version: '1.1.0', key: KEY, netns: '/run/netns/x', pod: NO_POD });
    assert.is(conf.name, 'tapwire');
  });
}

const DEL = { command: 'DEL', key: KEY, netns: '/run/netns/x', deviceNode: null };

test('DEL accepts a missing netns', () =>
  assert.equal(parse('DEL', { CNI_NETNS: '' }), { ...DEL, netns: null }));

for (const [why, conf] of [
  ['without cniVersion', { name: 'tapwire' }],
  ['with a cniVersion that ADD rejects', { ...CONF, cniVersion: '0.2.0' }],
  ['with a cniVersion that does not exist', { ...CONF, cniVersion: '9.9.9' }],
  ['with a cniVersion that is not a version', { ...CONF, cniVersion: 'one' }],
  ['with a cniVersion that is a number', { ...CONF, cniVersion: 1 }],
  ['without a name', { cniVersion: '1.0.0' }],
  ['with a bad name', { ...CONF, name: 'a%b' }],
  ['with a name that is a list', { ...CONF, name: [] }],
  ['with bad keys of the binding', { ...CONF, mtu: 'broken', binding: 'bridge', args: 1, runtimeConfig: 1 }],
  ['with a broken prevResult', { ...CONF, prevResult: { interfaces: 'x' } }],
  ['with JSON that is not an object', '[]'],
  ['without JSON', '{'],
  ['nested too deep', '['.repeat(100)],
  ['with nothing', ''],
] as const) {
  test(`DEL accepts a configuration ${why}`, () => assert.equal(parse('DEL', {}, conf), DEL));
}

test('DEL accepts stdin that cannot be read', () => {
  const request = parseRequest({ ...ENV, CNI_COMMAND: 'DEL' }, () => {
    throw new Error('error reading from stdin');
  });
  assert.equal(request, DEL);
});

for (const [why, env] of [
  ['bad CNI_ARGS', { CNI_ARGS: 'x;IgnoreUnknown=maybe;MAC=x' }],
  ['two pod names', { CNI_ARGS: 'K8S_POD_NAME=a;K8S_POD_NAME=b' }],
  ['no CNI_PATH', { CNI_PATH: '' }],
] as const) {
  test(`DEL accepts ${why}`, () => assert.equal(parse('DEL', env), DEL));
}

for (const ifname of ['x'.repeat(16), '..', 'a/b', 'a:b', 'a b']) {
  test(`DEL accepts an ifname that no attachment has: ${ifname}`, () =>
    assert.equal(parse('DEL', { CNI_IFNAME: ifname }), { ...DEL, key: { ...KEY, ifname } }));
}

test('DEL accepts a container id that no attachment has', () =>
  assert.equal(parse('DEL', { CNI_CONTAINERID: '../x' }), { ...DEL, key: { ...KEY, containerId: '../x' } }));

test('VERSION needs nothing else and does not read stdin', () => {
  const request = parseRequest({ CNI_COMMAND: 'VERSION' }, () => {
    throw new Error('stdin was read');
  });
  assert.equal(request, { command: 'VERSION' });
});

for (const command of ['GC', 'STATUS'] as const) {
  test(`${command} needs no container`, () => {
    const env = { CNI_CONTAINERID: '../not/looked/at', CNI_NETNS: '', CNI_IFNAME: 'not looked at' };
    const needs = command === 'STATUS' ? { master: null, passage: null } : {};
    assert.equal(parse(command, env), { command, version: '1.1.0', ...needs });
  });
}

for (const version of SUPPORTED_VERSIONS) {
  test(`[${version}] ADD is accepted`, () => {
    const request = parse('ADD', {}, { ...CONF, cniVersion: version });
    assert.is('version' in request && request.version, version);
  });
}

const long = 'interface name is too long';
const bad = 'interface name contains / or : or whitespace characters';
for (const [why, act, code, message] of [
  ['no command', () => parse(''), 'INVALID_ENVIRONMENT', 'required env variables [CNI_COMMAND] missing'],
  ['an unknown command', () => parse('NOPE'), 'INVALID_ENVIRONMENT', 'unknown CNI_COMMAND: NOPE'],
  [
    'a command that every object has as a key',
    () => parse('constructor'),
    'INVALID_ENVIRONMENT',
    'unknown CNI_COMMAND: constructor',
  ],
  [
    'all missing variables at once',
    () => parseRequest({ CNI_COMMAND: 'ADD' }, () => Buffer.alloc(0)),
    'INVALID_ENVIRONMENT',
    'required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing',
  ],
  [
    'DEL without CNI_IFNAME',
    () => parse('DEL', { CNI_IFNAME: '' }),
    'INVALID_ENVIRONMENT',
    'required env variables [CNI_IFNAME] missing',
  ],
  [
    'DEL without any variable',
    () => parseRequest({ CNI_COMMAND: 'DEL' }, () => Buffer.alloc(0)),
    'INVALID_ENVIRONMENT',
    'required env variables [CNI_CONTAINERID,CNI_IFNAME] missing',
  ],
  [
    'a bad container id',
    () => parse('ADD', { CNI_CONTAINERID: '../x' }),
    'INVALID_ENVIRONMENT',
    'invalid characters in containerID',
  ],
  ['a long ifname', () => parse('ADD', { CNI_IFNAME: 'x'.repeat(16) }), 'INVALID_ENVIRONMENT', long],
  [
    'an ifname that is long in bytes',
    () => parse('ADD', { CNI_IFNAME: 'ä'.repeat(8) }),
    'INVALID_ENVIRONMENT',
    long,
  ],
  ['ifname ..', () => parse('ADD', { CNI_IFNAME: '..' }), 'INVALID_ENVIRONMENT', 'interface name is . or ..'],
  ['an ifname with /', () => parse('ADD', { CNI_IFNAME: 'a/b' }), 'INVALID_ENVIRONMENT', bad],
  ['an ifname with :', () => parse('ADD', { CNI_IFNAME: 'a:b' }), 'INVALID_ENVIRONMENT', bad],
  ['an ifname with a space', () => parse('CHECK', { CNI_IFNAME: 'a\u2003b' }), 'INVALID_ENVIRONMENT', bad],
  ['invalid JSON', () => parse('ADD', {}, '{'), 'INVALID_JSON', /^Cannot parse the network configuration: /],
  ['no name', () => parse('ADD', {}, { cniVersion: '1.0.0' }), 'INVALID_CONFIG', 'missing network name'],
  ['JSON null', () => parse('ADD', {}, 'null'), 'INVALID_CONFIG', 'missing network name'],
  [
    'a bad name',
    () => parse('ADD', {}, { ...CONF, name: 'a%b' }),
    'INVALID_CONFIG',
    'invalid characters found in network name',
  ],
  [
    'a version whose results need an IP',
    () => parse('ADD', {}, { ...CONF, cniVersion: '0.2.0' }),
    'INCOMPATIBLE_VERSION',
    'incompatible CNI versions',
  ],
  [
    'no version, which is 0.1.0',
    () => parse('ADD', {}, { name: 'x' }),
    'INCOMPATIBLE_VERSION',
    'incompatible CNI versions',
  ],
  [
    'an unknown version',
    () => parse('ADD', {}, { ...CONF, cniVersion: '9.9.9' }),
    'INCOMPATIBLE_VERSION',
    'incompatible CNI versions',
  ],
  [
    'CHECK before 0.4.0',
    () => parse('CHECK', {}, { ...CONF, cniVersion: '0.3.1' }),
    'INCOMPATIBLE_VERSION',
    'config version does not allow CHECK',
  ],
  [
    'GC before 1.1.0',
    () => parse('GC', {}, { ...CONF, cniVersion: '1.0.0' }),
    'INCOMPATIBLE_VERSION',
    'config version does not allow GC',
  ],
  [
    'STATUS before 1.1.0',
    () => parse('STATUS', {}, { ...CONF, cniVersion: '1.0.0' }),
    'INCOMPATIBLE_VERSION',
    'config version does not allow STATUS',
  ],
] as const) {
  test(`rejects ${why}`, async () => {
    const error = await caught(act);
    assert.is(error.code, code);
    if (typeof message === 'string') assert.is(error.message, message);
    else assert.match(error.message, message);
  });
}

test.run();
