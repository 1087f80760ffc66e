import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Link } from '../../../../shared/rtnetlink/link.ts';
import type { Bound } from '../../../../sidecar/bindings/binding.ts';
import { bindTap } from '../../../../sidecar/bindings/tap.ts';
import { parseVmi } from '../../../../sidecar/vmi/vmi.ts';
import { write } from '../../../../sidecar/xml/markup.ts';
import { parseXml } from '../../../../sidecar/xml/xml.ts';
import { caught } from '../../../helpers/caught.ts';
import { tapLink, type VmiParts, veth, vmiJson } from '../../../helpers/sidecar/vmi.ts';

const tap = suite('tap');

interface Given {
  readonly vmi?: VmiParts;
  readonly multiQueue?: boolean;
  readonly mtu?: number;
  readonly podLink?: Partial<Link>;
  /** What ADD recorded of the tap; null: it is not Tapwire's. */
  readonly ifalias?: string | null;
  /** Children of the existing interface; undefined if there is none. */
  readonly current?: string;
}

/** `red` as the pod network, so that its links are eth0 and tap0. */
const RED_IS_PRIMARY = { networks: [{ name: 'red', pod: {} }], status: {} };

function bound({ vmi: parts, multiQueue = false, mtu = 1500, podLink, ifalias = null }: Given): Bound {
  const vmi = parseVmi(vmiJson({ ...RED_IS_PRIMARY, ...parts }), ['tapwire', 'lan-pod-ip']);
  const [one] = vmi.interfaces;
  if (one === undefined) throw new Error('No interface of ours');
  const links = [
    veth('eth0', { mtu: 9000, ...podLink }),
    { ...tapLink('tap0', { mtu, multiQueue }), ifalias },
  ];
  return bindTap(vmi, one, { links, searchDomains: [], passtBackend: 'vhost-user' });
}

function rendered(given: Given): string {
  const { current } = given;
  const { text, root } = parseXml(Buffer.from(`<interface type="ethernet">${current ?? ''}</interface>`));
  return write(bound(given).render(current === undefined ? undefined : root), null, text);
}

/** The elements of this name. */
const only = (name: string, given: Given) =>
  rendered(given).match(new RegExp(`<${name}[ >].*?</${name}>`, 'g')) ?? [];

tap("the interface equals virt-launcher's for a tap attachment", () => {
  assert.is(
    rendered({ mtu: 1400 }),
    '<interface type="ethernet"><target dev="tap0" managed="no"></target><model type="virtio-non-transitional"></model>' +
      '<mac address="02:00:00:00:00:11"></mac><mtu size="1400"></mtu><alias name="ua-red"></alias><rom enabled="no"></rom></interface>',
  );
});

tap('every field that a VMI can have is rendered', () => {
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
    'another model is not transitional',
    { red: { model: 'e1000' }, devices: { useVirtioTransitional: true } },
    'e1000',
  ],
] as const) {
  tap(`model: ${why}`, () => assert.equal(only('model', { vmi: parts }), [`<model type="${want}"></model>`]));
}

for (const [why, parts, want] of [
  ['off if nothing boots from it', {}, true],
  ['left as it is if something boots from it', { red: { bootOrder: 1 } }, false],
  ['none on s390x', { spec: { architecture: 's390x' } }, false],
  ['off for SEV, even to boot', { red: { bootOrder: 1 }, domain: { launchSecurity: { sev: {} } } }, true],
  ['off for SEV-SNP, even to boot', { red: { bootOrder: 1 }, domain: { launchSecurity: { snp: {} } } }, true],
  [
    'left as it is for TDX, to boot',
    { red: { bootOrder: 1 }, domain: { launchSecurity: { tdx: {} } } },
    false,
  ],
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
  ['no queues on a single-queue tap, with any request of the VMI', { vmi: vcpus(4) }, []],
  [
    'no queues on a single-queue tap, with any queues in the domain',
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
  ['two queues for a VMI without a request on a multi-queue tap', { multiQueue: true }, [VHOST]],
  ['two queues in place of one', { multiQueue: true, current: '<driver name="vhost" queues="1"/>' }, [VHOST]],
  ['without the empty name that Go adds', { current: '<driver name=""/>' }, []],
  [
    'vhost in place of the empty name that Go adds',
    { multiQueue: true, current: '<driver name="" queues="2"/>' },
    [VHOST],
  ],
  [
    'with its other attributes',
    {
      multiQueue: true,
      current: '<driver name="qemu" queues="9" iommu="on" ats="on"><host csum="off"/></driver>',
    },
    ['<driver name="qemu" queues="2" iommu="on" ats="on"><host csum="off"/></driver>'],
  ],
  [
    'only children',
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

tap('a model with one queue is rejected on a multi-queue tap', async () => {
  const error = await caught(() => rendered({ multiQueue: true, vmi: { red: { model: 'e1000e' } } }));
  assert.is(error.code, 'LINK_UNSUPPORTED');
  assert.is(
    error.message,
    'Cannot bind interface "red": model e1000e has one queue, but "tap0" is a multi-queue tap; use model virtio or a NAD without multiQueue',
  );
});

tap('a missing MAC address is rejected', async () => {
  const error = await caught(() => rendered({ podLink: { mac: '' } }));
  assert.is(
    error.message,
    'Cannot bind interface "red": neither the VMI nor pod link "eth0" has a MAC address',
  );
  assert.match(
    rendered({ podLink: { mac: '' }, vmi: { red: { macAddress: '02:00:00:00:00:99' } } }),
    /02:00:00:00:00:99/,
  );
});

tap('the PCI address stays unless the VMI has one', () => {
  const current = '<address type="pci" domain="0x0000" bus="0x01"/>';
  assert.is(rendered({ current }).match(/<address[^>]*>/)?.[0], current);
  const red = { pciAddress: '0000:02:02.0' };
  assert.equal(only('address', { current, vmi: { red } }), [
    '<address type="pci" domain="0x0000" bus="0x02" slot="0x02" function="0x0"></address>',
  ]);
});

tap('fields that the VMI no longer has are removed, and those of others stay', () => {
  const ours =
    '<source bridge="b"/><boot order="9"/><link state="down"/><acpi index="7"/><target dev="x"/><rom bar="off"/>';
  const theirs =
    '<bandwidth><inbound average="1"/></bandwidth><filterref filter="f"/><vlan><tag id="4"/></vlan><q:x a="1"/>';
  assert.is(
    rendered({ current: ours + theirs }),
    rendered({}).replace('</interface>', `${theirs}</interface>`),
  );
});

tap('the mtu is that of the smaller link, because the other would drop longer frames', () => {
  for (const [pod, own, want] of [
    [9000, 1500, 1500],
    [1500, 1500, 1500],
    [1400, 9000, 1400],
  ] as const) {
    assert.equal(only('mtu', { mtu: own, podLink: { mtu: pod } }), [`<mtu size="${want}"></mtu>`]);
  }
});

/** Warnings for an administrator who reads virt-launcher's log without knowing the code. */
const POD_IP = { red: { binding: { name: 'lan-pod-ip' } } };
const NOT_SERVED =
  'nobody tells the guest its addresses: "tap0" was not wired for binding "lan-pod-ip"; set "guestAddresses": "pod" ' +
  'in the NAD of the binding, upgrade the CNI plugin on the node if it is older than the sidecar, then restart the VM';

for (const [why, given, want] of [
  ['nothing if domain and links agree', {}, []],
  [
    'nothing about a MAC address that does not matter to a veth',
    { vmi: { red: { macAddress: '02:00:00:00:00:99' } } },
    [],
  ],
  ['nothing about queues on a multi-queue tap', { vmi: vcpus(4), multiQueue: true }, []],
  ['nothing about queues for one vCPU', { vmi: vcpus(1) }, []],
  [
    'nothing about queues that the model does not have',
    { vmi: { ...vcpus(4), red: { model: 'e1000e' } } },
    [],
  ],
  [
    'a pod link with a smaller MTU',
    { mtu: 9000, podLink: { mtu: 1400 } },
    [
      'pod link "eth0" has MTU 1400, but "tap0" has 9000, so the guest gets 1400; put the CNI plugin that lowers the MTU before tapwire in the chain',
    ],
  ],
  [
    'queues that the tap does not have',
    { vmi: vcpus(4) },
    ['the VMI asks for 4 queues, but "tap0" has one, so the guest gets one; use a NAD with multiQueue'],
  ],
  [
    'a MAC address that a macvlan filters',
    { vmi: { red: { macAddress: '02:00:00:00:00:99' } }, podLink: { kind: 'macvlan' } },
    [
      'pod link "eth0" (macvlan) has MAC address 02:00:00:00:00:11 and may drop frames to the guest\'s 02:00:00:00:00:99; ' +
        "let the network's CNI plugin set this address, or remove macAddress from the VMI",
    ],
  ],
  ['nothing about a macvlan with the MAC address of the VMI', { podLink: { kind: 'macvlan' } }, []],
  [
    'a tap whose guest nobody serves, although the binding says so',
    { vmi: POD_IP, ifalias: 'tapwire/1 container=a ifname=net1 binding=tap link=eth0 mtu=1500' },
    [NOT_SERVED],
  ],
  ['a tap of another program under such a binding', { vmi: POD_IP }, [NOT_SERVED]],
  [
    'nothing about a tap whose guest is served',
    { vmi: POD_IP, ifalias: 'tapwire/1 container=a ifname=net1 binding=tap link=eth0 mtu=1500 g=1' },
    [],
  ],
] as const) {
  tap(`warns of ${why}`, () =>
    assert.equal(
      bound(given).warnings,
      want.map((warning) => `Interface "red": ${warning}`),
    ),
  );
}

tap('the domain needs nothing else', () => {
  assert.equal(bound({}).needs, { arguments: [], overrides: [] });
});

for (const vmiQueues of [1, 2, 4]) {
  tap(`${vmiQueues} requested queues are rendered for either kind of tap`, () => {
    const current = `<driver name="vhost" queues="${vmiQueues}"/>`;
    assert.equal(only('driver', { vmi: vcpus(vmiQueues), current }), ['<driver name="vhost"></driver>']);
    assert.equal(only('driver', { vmi: vcpus(vmiQueues), current, multiQueue: true }), [
      `<driver name="vhost" queues="${Math.max(vmiQueues, 2)}"></driver>`,
    ]);
  });
}

tap.run();
