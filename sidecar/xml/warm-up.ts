/**
 * Parses a domain of the usual kind when the sidecar starts, because the first parse takes several
 * times as long as the next ones.
 */
import { parseXml } from './xml.ts';

const DEVICE = `
    <disk type="file" device="disk" model="virtio-non-transitional">
      <source file="/var/run/kubevirt-private/vmi-disks/disk0/disk.img"></source>
      <target bus="virtio" dev="vda"/>
      <!-- &amp; -->
      <alias name="ua-disk0 &amp; ua-disk1"></alias>
    </disk>`;
const DOMAIN = Buffer.from(`<?xml version="1.0"?>
<domain type="kvm">
  <name>lab_vm1</name>
  <devices>${DEVICE.repeat(10)}
  </devices>
</domain>
`);

/** Lets V8 compile the parser. */
export function warmUp(): void {
  parseXml(DOMAIN);
}
