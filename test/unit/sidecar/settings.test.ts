import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSettings } from '../../../sidecar/settings.ts';

const read = suite('readSettings()');

const DEFAULTS = {
  hookDirectory: '/var/run/kubevirt-hooks',
  container: 'tapwire',
  bindings: ['tapwire', 'tapwire-mq'],
};

for (const [why, env, want] of [
  ['KubeVirt before 1.6', {}, {}],
  ['KubeVirt 1.6', { CONTAINER_NAME: 'hook-sidecar-10' }, { container: 'hook-sidecar-10' }],
  ['KubeVirt 1.9', { NETWORK_BINDING_PLUGIN_NAME: 'tapwire-mq' }, { bindings: ['tapwire-mq'] }],
  ['a name of the admin', { NETWORK_BINDING_PLUGIN_NAME: 'my-tap' }, { bindings: ['my-tap'] }],
  [
    'variables without a value',
    { NETWORK_BINDING_PLUGIN_NAME: '', CONTAINER_NAME: '', TAPWIRE_HOOK_DIR: '' },
    {},
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

read.run();
