import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attachment } from '../helpers/lab/attachment.ts';
import type { Lab } from '../helpers/lab/lab.ts';
import { QEMU_ID, startInPod } from '../helpers/lab/pod-process.ts';
import { lastWords, waitFor } from '../helpers/lab/run.ts';
import { POD4, withUserModeVm } from '../helpers/lab/user-mode.ts';
import { fieldsOf } from '../helpers/lab/verdict.ts';

const test = suite('VM on passt');

/** A port that uid 107 may bind only because of the sysctls that ADD sets. */
const PORT = 80;

const socketOf = ({ dir }: Lab) => join(dir, 'passt/socket');

/**
 * Starts passt in the pod, as its user, as libvirt does for `<backend type="passt">`.
 *
 * Source: libvirt qemu_passt.c
 */
async function startPasst(lab: Lab): Promise<void> {
  const directory = join(lab.dir, 'passt');
  mkdirSync(directory);
  chownSync(directory, QEMU_ID, QEMU_ID);
  const ports = ['--tcp-ports', `${PORT}`, '--udp-ports', 'none'];
  // The gateway's address must stay the gateway's and not mean the pod, or the node would not
  // receive the guest's pings.
  const options = ['--foreground', '--stderr', '--one-off', '--no-map-gw', '--interface', 'eth0', ...ports];
  const passt = startInPod(lab, 'passt', [], ['passt', ...options, '--socket', socketOf(lab)], {});
  await waitFor(lab, 'socket of passt', () => {
    if (!passt.isRunning()) throw new Error(`Cannot run passt: ${lastWords(passt)}`);
    return existsSync(socketOf(lab)) ? true : undefined;
  });
}

const NAMESPACE = 'http://libvirt.org/schemas/domain/qemu/1.0';
const INTERFACE = /<interface type="vhostuser">[\s\S]*?<\/interface>/;

/**
 * Debian's libvirt does not support passt. The same NIC is connected to the same passt by hand;
 * everything else is the sidecar's reply.
 */
function withoutBackend(answer: string, lab: Lab): string {
  return answer
    .replace(INTERFACE, (nic) =>
      nic.replace('vhostuser', 'user').replace(/<(source|backend|portForward)[ >][\s\S]*?<\/\1>/g, ''),
    )
    .replace(/^<domain (?!.*xmlns:qemu)/, `<domain xmlns:qemu="${NAMESPACE}" `)
    .replace(
      '</domain>',
      `<qemu:commandline><qemu:arg value="-netdev"/>
         <qemu:arg value="stream,id=passt,server=off,addr.type=unix,addr.path=${socketOf(lab)}"/></qemu:commandline>
       <qemu:override><qemu:device alias="ua-default"><qemu:frontend>
         <qemu:property name="netdev" type="string" value="passt"/></qemu:frontend></qemu:device></qemu:override></domain>`,
    );
}

test("the guest has the pod's addresses, sends pings out, is reached at a privileged port, and has memory that passt could share", () =>
  withUserModeVm(
    {
      binding: 'tapwire-passt',
      ports: [PORT],
      prepare: async (lab) => {
        await attachment(lab, 'default', { binding: 'passt' }).add();
        await startPasst(lab);
      },
      translate: withoutBackend,
    },
    async ({ lab, name, virsh, reports, answer, fetchFromNode, fetchFromGuest }) => {
      const [nic = ''] = INTERFACE.exec(answer) ?? [];
      assert.is(
        nic.replace(/<address [^>]*><\/address>/, '').replace(/>\s+</g, '><'),
        '<interface type="vhostuser"><source dev="eth0"></source><model type="virtio-non-transitional"></model>' +
          '<alias name="ua-default"></alias><rom enabled="no"></rom>' +
          '<backend type="passt" logFile="/var/run/kubevirt/passt.log"></backend>' +
          `<portForward proto="tcp"><range start="${PORT}"></range></portForward></interface>`,
      );

      assert.is(fieldsOf(reports, 'lease4')['address'], `${POD4}/24`);
      assert.match(fieldsOf(reports, 'lease6')['address'] ?? '', /^2001:db8:1::10/);
      assert.is(fieldsOf(reports, 'ping4')['loss'], '0%');
      assert.is(fieldsOf(reports, 'ping6')['loss'], '0%');

      const node = await fetchFromNode();
      const guest = await fetchFromGuest(PORT);
      console.log(`@heard byGuest="${node}" byNode="${guest}"`);
      assert.is(node, 'I am the node');
      assert.is(guest, 'I am the guest');

      const live = await virsh('dumpxml', name);
      assert.match(live, /<source type='memfd'\/>\s*<access mode='shared'\/>/);

      // When this assertion fails, Debian's libvirt supports passt, and the connection by hand can
      // go.
      const file = join(lab.dir, 'native.xml');
      writeFileSync(file, answer);
      const refusal = await virsh('define', file).catch((error: Error) => error.message);
      assert.match(refusal, "Missing required attribute 'type' in element 'source'");
    },
  ));

test.run();
