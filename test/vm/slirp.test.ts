import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { setSysctl } from '../helpers/lab/run.ts';
import { withUserModeVm } from '../helpers/lab/user-mode.ts';
import { fieldsOf } from '../helpers/lab/verdict.ts';

const test = suite('VM on slirp');

const PORT = 8080;

test('the guest has a lease, a way out, a forwarded port and an interface that libvirt reports', () =>
  withUserModeVm(
    {
      binding: 'tapwire-slirp',
      ports: [PORT],
      // As containerd sets it for every pod since 2.0. QEMU sends the guest's pings as its own.
      prepare: (lab) => setSysctl(lab, lab.pod, 'ipv4/ping_group_range', '0 2147483647'),
    },
    async ({ name, virsh, reports, answer, fetchFromNode, fetchFromGuest }) => {
      assert.match(answer, `hostfwd=tcp::${PORT}-:${PORT}"`);
      assert.match(answer, '<model type="virtio-non-transitional">');
      assert.is(fieldsOf(reports, 'lease4')['address'], '10.0.2.15/24');
      assert.is(fieldsOf(reports, 'routes')['gateway4'], '10.0.2.2');

      assert.is(fieldsOf(reports, 'ping4')['loss'], '0%');

      const node = await fetchFromNode();
      const guest = await fetchFromGuest(PORT);
      console.log(`@heard byGuest="${node}" byNode="${guest}"`);
      assert.is(node, 'I am the node');
      assert.is(guest, 'I am the guest');

      assert.match(await virsh('domiflist', name), / user +.* virtio-non-transitional /);
    },
  ));

test.run();
