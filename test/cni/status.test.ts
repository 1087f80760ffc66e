/** STATUS: whether this node could wire a pod, tried for real in a temporary netns. */
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { THIS_KERNEL } from '../../cni/kernel/redirects.ts';
import { RULE_FORMS } from '../../cni/kernel/rules.ts';
import { testKernel, testPassage } from '../../cni/kernel/self-test.ts';
import type { Classifier } from '../../shared/rtnetlink/filter.ts';
import { until } from '../helpers/agent/agent-node.ts';
import { caught } from '../helpers/caught.ts';
import { callUnder, netconf } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';

const everyWay = suite('STATUS');
const test = inOneWay(everyWay);

const CONF = JSON.stringify(netconf({ conf: { cniVersion: '1.1.0' } }));

/**
 * Calls STATUS in a mount namespace of its own, after `prepare` has changed its view of the system.
 */
async function statusAfter(prepare: string) {
  const under = ['/usr/bin/unshare', '--mount', '/bin/sh', '-ec', `${prepare}; exec "$@"`, 'sh'];
  return status(['/usr/bin/env', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', ...under]);
}

async function status(under: readonly string[], conf = CONF) {
  const env = { CNI_COMMAND: 'STATUS', CNI_PATH: '/opt/cni/bin' };
  const { exitCode, json } = await callUnder(under, env, conf);
  return { exitCode, error: json ?? null };
}

everyWay('STATUS prints nothing on a node that can wire pods', async () => {
  assert.equal(await statusAfter('true'), { exitCode: 0, error: null });
});

for (const [why, prepare, reason] of [
  [
    'no /dev/net/tun',
    'mount -t tmpfs none /dev/net',
    'Cannot add tap "pod0": open /dev/net/tun: No such file or directory; this kernel needs CONFIG_TUN (module tun)',
  ],
  [
    'something else in its place',
    'mount --bind /dev/null /dev/net/tun',
    'Cannot add tap "pod0": TUNSETIFF: Inappropriate ioctl for device',
  ],
] as const) {
  everyWay(`STATUS fails with code 50 and the reason: ${why}`, async () => {
    const { exitCode, error } = await statusAfter(prepare);
    assert.equal(
      [exitCode, error],
      [1, { cniVersion: '1.1.0', code: 50, msg: `Cannot wire pods on this node: ${reason}` }],
    );
  });
}

everyWay('STATUS fails with code 50 if the privilege is missing', async () => {
  const nobody = ['--bounding-set', '-all', '--inh-caps', '-all', '--no-new-privs', '--'];
  const { error } = await status(['/usr/bin/setpriv', ...nobody]);
  assert.equal(
    [error.code, error.msg],
    [50, 'Cannot create a network namespace: unshare: Operation not permitted'],
  );
});

for (const conf of [
  { guestAddresses: 'pod' },
  { spoofGuard: 'mac' },
  { guestAddresses: 'pod', spoofGuard: 'addresses' },
]) {
  everyWay(`STATUS with ${JSON.stringify(conf)} prints nothing on a node that can do it`, async () => {
    const keys = JSON.stringify(netconf({ conf: { cniVersion: '1.1.0', ...conf } }));
    assert.equal(await status([], keys), { exitCode: 0, error: null });
  });
}

for (const form of RULE_FORMS) {
  test(`a node wires pods with a spoof guard as ${form}`, () =>
    testPassage({ guestAddresses: 'pod', spoofGuard: 'addresses' }, { ...THIS_KERNEL, guardForms: [form] }));
}

test('STATUS names what a kernel without any classifier needs', async () => {
  const error = await caught(() => testKernel({ ...THIS_KERNEL, candidates: ['absent' as Classifier] }));
  assert.equal(
    [error.code, error.message],
    [
      'PLUGIN_NOT_AVAILABLE',
      'Cannot wire pods on this node: Cannot redirect "pod0" to "tap0": TC classifier not found (No such file or directory); ' +
        'this kernel needs CONFIG_NET_CLS_MATCHALL or CONFIG_NET_CLS_U32, and CONFIG_NET_ACT_MIRRED',
    ],
  );
});

test('STATUS leaves no netns and no descriptor', async () => {
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const ASKED = { guestAddresses: 'pod', spoofGuard: 'mac' } as const;
  await testKernel();
  await testPassage(ASKED);
  const before = descriptors();
  for (let i = 0; i < 20; i++) await testKernel().then(() => testPassage(ASKED));
  // The kernel makes the thread that closes a netfilter socket wait.
  await until('all descriptors are closed', () => descriptors() <= before);
});

everyWay.run();
