import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSettings } from '../../../sidecar/settings.ts';
import { caught } from '../../helpers/caught.ts';

const read = suite('readSettings()');

const TAPS = [
  ...['tapwire', 'tapwire-mq', 'tapwire-pod-ip', 'tapwire-pod-ip-mq'],
  ...['tapwire-secondary', 'tapwire-secondary-mq'],
];
const DEFAULTS = {
  hookDirectory: '/var/run/kubevirt-hooks',
  container: 'tapwire',
  bindings: [...TAPS, 'tapwire-macvtap', 'tapwire-passt', 'tapwire-slirp'],
  kind: null,
  domainHookSocket: null,
  passtBackend: null,
};
/** What a sidecar assumes that is told its binding. */
const TOLD = { passtBackend: 'vhost-user' };

for (const [why, env, want] of [
  ['KubeVirt before 1.6', {}, {}],
  ['KubeVirt 1.6', { CONTAINER_NAME: 'hook-sidecar-10' }, { container: 'hook-sidecar-10' }],
  ['KubeVirt 1.9', { NETWORK_BINDING_PLUGIN_NAME: 'tapwire-mq' }, { ...TOLD, bindings: ['tapwire-mq'] }],
  [
    'a name of the administrator',
    { NETWORK_BINDING_PLUGIN_NAME: 'my-tap' },
    { ...TOLD, bindings: ['my-tap'] },
  ],
  [
    'variables without a value',
    Object.fromEntries(
      [
        'NETWORK_BINDING_PLUGIN_NAME',
        'CONTAINER_NAME',
        'TAPWIRE_HOOK_DIR',
        'TAPWIRE_BINDING',
        'TAPWIRE_BINDING_NAMES',
        'TAPWIRE_PASST_BACKEND',
        'TAPWIRE_PLUGIN_SOCKET',
      ].map((variable) => [variable, '']),
    ),
    {},
  ],
  ['an image for tap', { TAPWIRE_BINDING: 'tap' }, { ...TOLD, kind: 'tap', bindings: TAPS }],
  [
    'an image for passt',
    { TAPWIRE_BINDING: 'passt' },
    { ...TOLD, kind: 'passt', bindings: ['tapwire-passt'] },
  ],
  [
    'an image for slirp',
    { TAPWIRE_BINDING: 'slirp' },
    { ...TOLD, kind: 'slirp', bindings: ['tapwire-slirp'] },
  ],
  [
    'names of the administrator',
    { TAPWIRE_BINDING: 'passt', TAPWIRE_BINDING_NAMES: 'passt, nat ,tapwire-passt' },
    { ...TOLD, kind: 'passt', bindings: ['tapwire-passt', 'passt', 'nat'] },
  ],
  [
    'names of the administrator if KubeVirt names the sidecar',
    { NETWORK_BINDING_PLUGIN_NAME: 'nat', TAPWIRE_BINDING: 'passt', TAPWIRE_BINDING_NAMES: 'passt' },
    { ...TOLD, kind: 'passt', bindings: ['nat'] },
  ],
  ["passt by QEMU's own socket", { TAPWIRE_PASST_BACKEND: 'user' }, { passtBackend: 'user' }],
  [
    'a structured plugin',
    { TAPWIRE_PLUGIN_SOCKET: '/var/run/kubevirt-plugin/tapwire/domain.sock' },
    { domainHookSocket: '/var/run/kubevirt-plugin/tapwire/domain.sock' },
  ],
  ['another directory', { TAPWIRE_HOOK_DIR: '/tmp/hooks' }, { hookDirectory: '/tmp/hooks' }],
  ['a container name that leads elsewhere', { CONTAINER_NAME: '../../x\0y' }, { container: '------x-y' }],
  [
    'a container name that is too long for a socket',
    { CONTAINER_NAME: 'x'.repeat(100) },
    { container: 'x'.repeat(63) },
  ],
] as const) {
  read(why, () => assert.equal(readSettings(env), { ...DEFAULTS, ...want }));
}

for (const [why, env, message] of [
  [
    'an unknown kind',
    { TAPWIRE_BINDING: 'bridge' },
    'Cannot read TAPWIRE_BINDING: want "tap" or "macvtap" or "passt" or "slirp", got "bridge"',
  ],
  [
    'another option of passt',
    { TAPWIRE_PASST_BACKEND: 'vhostuser' },
    'Cannot read TAPWIRE_PASST_BACKEND: want "vhost-user" or "user", got "vhostuser"',
  ],
  [
    'an empty name',
    { TAPWIRE_BINDING_NAMES: 'a,,b' },
    'Cannot read TAPWIRE_BINDING_NAMES: want names separated by commas, got "a,,b"',
  ],
] as const) {
  read(`refuses ${why}`, async () => {
    const error = await caught(() => readSettings(env));
    assert.is(error.code, 'INVALID_CONFIG');
    assert.is(error.message, message);
  });
}

read.run();
