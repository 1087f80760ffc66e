import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { socketNameOf } from '../../../../daemonset/device-plugin/socket-name.ts';

const test = suite('socketNameOf()');

const DIRECTORY = '/var/lib/kubelet/device-plugins';
const MICROK8S = '/var/snap/microk8s/common/var/lib/kubelet/device-plugins';
/** As long as a name can be. */
const LONG = `tapwire.io/${'a'.repeat(52)}`;

test('returns the full name of the resource, with "_" for "/"', () => {
  assert.is(socketNameOf('tapwire.io/vm-lan', DIRECTORY), 'tapwire.io_vm-lan.sock');
  assert.is(
    socketNameOf('macvtap.network.kubevirt.io/dataplane', MICROK8S),
    'macvtap.network.kubevirt.io_dataplane.sock',
  );
});

test("every resource's path fits into sockaddr_un in the usual directory, by its name", () => {
  const name = socketNameOf(LONG, DIRECTORY);
  assert.is(name, `tapwire.io_${'a'.repeat(52)}.sock`);
  assert.ok(`${DIRECTORY}/${name}`.length <= 107);
});

test('a name that does not fit becomes a hash, which differs for each resource', () => {
  const name = socketNameOf(LONG, MICROK8S);
  assert.match(name, /^tapwire_[0-9a-f]{16}\.sock$/);
  assert.ok(`${MICROK8S}/${name}`.length <= 107);
  assert.is.not(name, socketNameOf(`${LONG.slice(0, -1)}b`, MICROK8S));
});

test.run();
