import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { write } from '../../../sidecar/markup.ts';
import { tapInterface } from '../../../sidecar/tap.ts';
import { parseVmi } from '../../../sidecar/vmi.ts';
import { parseXml } from '../../../sidecar/xml.ts';
import { caught } from '../../helpers/caught.ts';
import { tapLink, type VmiParts, veth, vmiJson } from '../../helpers/vmi.ts';

const tap = suite('tapInterface()');

interface Given {
  readonly vmi?: VmiParts;
  readonly multiQueue?: boolean;
  readonly mtu?: number;
  readonly podMac?: string;
  /** Children of the interface as it is; undefined: there is none. */
  readonly current?: string;
}

function rendered({
  vmi: parts,
  multiQueue = false,
  mtu = 1500,
  podMac = '02:00:00:00:00:11',
  current,
}: Given): string {
  const vmi = parseVmi(vmiJson(parts), ['tapwire']);
  const [bound] = vmi.interfaces;
  if (bound === undefined) throw new Error('No interface of ours');
  const wiring = {
    podLink: veth('eth0', { mac: podMac, mtu: 9000 }),
    tap: { ...tapLink('tap0', { mtu, multiQueue }) },
  };
  if (wiring.tap.tun === null) throw new Error('No tap');
  const { text, root } = parseXml(Buffer.from(`<interface type="ethernet">${current ?? ''}</interface>`));
  const both = { ...wiring, tap: { ...wiring.tap, tun: wiring.tap.tun } };
  return write(tapInterface(vmi, bound, both, current === undefined ? undefined : root), null, text);
}

/** The elements of that name. */
const only = (name: string, given: Given) =>
  rendered(given).match(new RegExp(`<${name}[ >].*?</${name}>`, 'g')) ?? [];

tap('is what virt-launcher makes of a tap attachment', () => {
  assert.is(
    rendered({ mtu: 1400 }),
    '<interface type="ethernet"><target dev="tap0" managed="no"></target><model type="virtio-non-transitional"></model>' +
      '<mac address="02:00:00:00:00:11"></mac><mtu size="1400"></mtu><alias name="ua-red"></alias><rom enabled="no"></rom></interface>',
  );
});

tap('everything that a VMI can ask for', () => {
  const red = {
    model: 'e1000e',
    macAddress: 'DE-AD-00-00-BE-EE',
    pciAddress: '0000:0A:1f.7',
    acpiIndex: 3,
    bootOrder: 1,
    state: 'down',
  };
  assert.is(
    rendered({ vmi: { red } }),
    '<interface type="ethernet"><address type="pci" domain="0x0000" bus="0x0A" slot="0x1f" function="0x7"></address>' +
      '<target dev="tap0" managed="no"></target><model type="e1000e"></model><mac address="de:ad:00:00:be:ee"></mac>' +
      '<mtu size="1500"></mtu><boot order="1"></boot><link state="down"></link><alias name="ua-red"></alias>' +
      '<acpi index="3"></acpi></interface>',
  );
});

for (const [why, parts, want] of [
  ['virtio where the VMI names none', {}, 'virtio-non-transitional'],
  ['virtio by name', { red: { model: 'virtio' } }, 'virtio-non-transitional'],
  ['virtio for old guests', { devices: { useVirtioTransitional: true } }, 'virtio-transitional'],
  [
    'virtio on s390x',
    { spec: { architecture: 's390x' }, devices: { useVirtioTransitional: true } },
    'virtio',
  ],
  [
    'another is not transitional',
    { red: { model: 'e1000' }, devices: { useVirtioTransitional: true } },
    'e1000',
  ],
] as const) {
  tap(`model: ${why}`, () => assert.equal(only('model', { vmi: parts }), [`<model type="${want}"></model>`]));
}

for (const [why, parts, want] of [
  ['off where nothing boots from it', {}, true],
  ['left alone where something does', { red: { bootOrder: 1 } }, false],
  ['none on s390x', { spec: { architecture: 's390x' } }, false],
  ['off for SEV, even to boot', { red: { bootOrder: 1 }, domain: { launchSecurity: { sev: {} } } }, true],
  ['off for SEV-SNP, even to boot', { red: { bootOrder: 1 }, domain: { launchSecurity: { snp: {} } } }, true],
  ['left alone for TDX to boot', { red: { bootOrder: 1 }, domain: { launchSecurity: { tdx: {} } } }, false],
] as const) {
  tap(`rom: ${why}`, () =>
    assert.equal(only('rom', { vmi: parts }), want ? ['<rom enabled="no"></rom>'] : []),
  );
}

const MQ = { networkInterfaceMultiqueue: true };
const vcpus = (cores: number) => ({ domain: { cpu: { cores } }, devices: MQ });
const VHOST = '<driver name="vhost" queues="2"></driver>';

for (const [why, given, want] of [
  ['none on a single-queue tap', {}, []],
  ['no queues on a single-queue tap, whatever the VMI wants', { vmi: vcpus(4) }, []],
  [
    'no queues on a single-queue tap, whatever the domain has',
    { vmi: vcpus(4), current: '<driver name="vhost" queues="4"/>' },
    ['<driver name="vhost"></driver>'],
  ],
  [
    'as many queues as vCPUs on a multi-queue tap',
    { vmi: vcpus(4), multiQueue: true },
    ['<driver name="vhost" queues="4"></driver>'],
  ],
  [
    '256 queues at most',
    { vmi: vcpus(300), multiQueue: true },
    ['<driver name="vhost" queues="256"></driver>'],
  ],
  ['two queues for one vCPU on a multi-queue tap', { vmi: vcpus(1), multiQueue: true }, [VHOST]],
  ['two queues for a VMI that does not ask on a multi-queue tap', { multiQueue: true }, [VHOST]],
  ['two queues in place of one', { multiQueue: true, current: '<driver name="vhost" queues="1"/>' }, [VHOST]],
  ['not the empty name that Go adds', { current: '<driver name=""/>' }, []],
  [
    'vhost in place of the empty name that Go adds',
    { multiQueue: true, current: '<driver name="" queues="2"/>' },
    [VHOST],
  ],
  [
    'what else it has',
    {
      multiQueue: true,
      current: '<driver name="qemu" queues="9" iommu="on" ats="on"><host csum="off"/></driver>',
    },
    ['<driver name="qemu" queues="2" iommu="on" ats="on"><host csum="off"/></driver>'],
  ],
  [
    'children alone',
    { current: '<driver><guest tso4="off"/></driver>' },
    ['<driver><guest tso4="off"/></driver>'],
  ],
  [
    'iommu for a confidential guest',
    { vmi: { domain: { launchSecurity: { sev: {} } } } },
    ['<driver name="vhost" iommu="on"></driver>'],
  ],
  [
    'iommu for Secure Execution',
    { vmi: { spec: { architecture: 's390x' }, domain: { launchSecurity: {} } } },
    ['<driver name="vhost" iommu="on"></driver>'],
  ],
  [
    'iommu and queues',
    { multiQueue: true, vmi: { domain: { launchSecurity: { snp: {} } } } },
    ['<driver name="vhost" queues="2" iommu="on"></driver>'],
  ],
  [
    'none for another model of a confidential guest',
    { vmi: { red: { model: 'e1000e' }, domain: { launchSecurity: { sev: {} } } } },
    [],
  ],
] as const) {
  tap(`driver: ${why}`, () => assert.equal(only('driver', given), want));
}

tap('driver: a model with one queue cannot use a multi-queue tap', async () => {
  const error = await caught(() => rendered({ multiQueue: true, vmi: { red: { model: 'e1000e' } } }));
  assert.is(error.code, 'LINK_UNSUPPORTED');
  assert.is(
    error.message,
    'Cannot bind interface "red": model e1000e has one queue but "tap0" is a multi-queue tap; use model virtio, or a NAD without multiQueue',
  );
});

tap('mac: no address anywhere is refused', async () => {
  const error = await caught(() => rendered({ podMac: '' }));
  assert.is(
    error.message,
    'Cannot bind interface "red": neither the VMI nor pod link "eth0" has a MAC address',
  );
  assert.match(
    rendered({ podMac: '', vmi: { red: { macAddress: '02:00:00:00:00:99' } } }),
    /02:00:00:00:00:99/,
  );
});

tap('address: the one that is there stays, but for one in the VMI', () => {
  const current = '<address type="pci" domain="0x0000" bus="0x01"/>';
  assert.is(rendered({ current }).match(/<address[^>]*>/)?.[0], current);
  const red = { pciAddress: '0000:02:02.0' };
  assert.equal(only('address', { current, vmi: { red } }), [
    '<address type="pci" domain="0x0000" bus="0x02" slot="0x02" function="0x0"></address>',
  ]);
});

tap('what the VMI does not ask for any more goes; what is not ours stays', () => {
  const ours =
    '<source bridge="b"/><boot order="9"/><link state="down"/><acpi index="7"/><target dev="x"/><rom bar="off"/>';
  const theirs =
    '<bandwidth><inbound average="1"/></bandwidth><filterref filter="f"/><vlan><tag id="4"/></vlan><q:x a="1"/>';
  assert.is(
    rendered({ current: ours + theirs }),
    rendered({}).replace('</interface>', `${theirs}</interface>`),
  );
});

tap.run();
