import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { caught } from '../../../helpers/caught.ts';
import { type Asked, defined, definedAsIs, elements, podVmi } from '../../../helpers/sidecar/defined.ts';
import { podLinks, type VmiParts, veth } from '../../../helpers/sidecar/vmi.ts';

const EMPTY = '<domain><devices></devices></domain>';
const BACKEND = '<backend type="passt" logFile="/var/run/kubevirt/passt.log"></backend>';
const ALL = '<portForward proto="tcp"></portForward><portForward proto="udp"></portForward>';
const MODEL = '<model type="virtio-non-transitional"></model>';
const TAIL = '<alias name="ua-default"></alias><rom enabled="no"></rom>';
const PLAIN = `<interface type="vhostuser"><source dev="eth0"></source>${MODEL}${TAIL}${BACKEND}${ALL}</interface>`;
const SHARED = '<memoryBacking><source type="memfd"></source><access mode="shared"></access></memoryBacking>';
const ISTIO = { metadata: { annotations: { 'sidecar.istio.io/inject': 'true' } } };

const passt = (iface: object = {}, parts: VmiParts = {}) => ({ ...podVmi('tapwire-passt', iface), ...parts });
const one = async (asked: Asked, domain = EMPTY) =>
  elements(await defined(domain, asked), 'interface').join('\n');
const forwards = async (asked: Asked) => elements(await defined(EMPTY, asked), 'portForward').join('');
const ports = (...list: readonly (readonly [string, number])[]) => ({
  ports: list.map(([protocol, port]) => ({ protocol, port })),
});
const range = (...starts: number[]) => starts.map((start) => `<range start="${start}"></range>`).join('');

const sidecars = suite('passt: two sidecars before KubeVirt 1.9');

const PINNED = { TAPWIRE_BINDING: 'passt', TAPWIRE_PASST_BACKEND: 'user' };
const PRIVATE = '<domain><devices></devices><memoryBacking><access mode="private"/></memoryBacking></domain>';
for (const domain of [EMPTY, PRIVATE]) {
  sidecars(
    `the sidecar for passt decides, and the one for every binding keeps its choice: ${domain}`,
    async () => {
      const pinned = await definedAsIs(domain, { vmi: passt(), env: PINNED });
      assert.match(pinned, /<interface type="user">/);
      assert.is(await definedAsIs(pinned, { vmi: passt() }), pinned);
    },
  );
}

sidecars('the sidecar for passt changes what the one for every binding has written', async () => {
  const first = await defined(EMPTY, { vmi: passt() });
  assert.is(await one({ vmi: passt(), env: PINNED }, first), PLAIN.replace('vhostuser', 'user'));
});

sidecars('a sidecar that is told its binding decides by itself', async () => {
  const other = await defined(EMPTY, { vmi: passt(), env: PINNED });
  const env = { NETWORK_BINDING_PLUGIN_NAME: 'tapwire-passt' };
  assert.is(await one({ vmi: passt(), env }, other), PLAIN);
});

sidecars("an interface of slirp's type is not passt's", async () => {
  const slirp =
    '<domain><devices><interface type="user"><alias name="ua-default"/></interface></devices></domain>';
  assert.is(await one({ vmi: passt() }, slirp), PLAIN);
});

sidecars.run();

const upstream = suite('passt: upstream cases');

for (const [why, vmi, message] of [
  [
    'no pod network',
    { ...passt(), networks: [{ name: 'default', multus: { networkName: 'x' } }] },
    /passt serves only the pod network/,
  ],
  ['no network of the interface', { ...passt(), networks: [] }, /the VMI has no network of that name/],
  ['an invalid PCI address', passt({ pciAddress: 'invalid-pci-address' }), /want a PCI address/],
] as const) {
  upstream(`refuses ${why}`, async () => {
    const error = await caught(() => defined(EMPTY, { vmi }));
    assert.is(error.code, 'INVALID_VMI');
    assert.match(error.message, message);
  });
}

for (const [why, iface] of [
  ['no interface of the pod network', null],
  ['another binding method', { name: 'default', bridge: {} }],
  ['another binding', { name: 'default', binding: { name: 'no-passt' } }],
] as const) {
  upstream(`the domain stays as it is: ${why}`, async () => {
    const vmi = { ...passt(), interfaces: iface === null ? [] : [iface] };
    assert.is(await definedAsIs(EMPTY, { vmi }), EMPTY);
  });
}

// The reference fails here, so that it cannot be used before KubeVirt 1.4, the first to report a
// status.
for (const [why, status] of [
  ['no status', {}],
  ['no status of the interface', { interfaces: [{ name: 'other', podInterfaceName: 'x' }] }],
  ['no pod link in the status', { interfaces: [{ name: 'default', podInterfaceName: '' }] }],
] as const) {
  upstream(`${why}: eth0`, async () => assert.is(await one({ vmi: passt({}, { status }) }), PLAIN));
}

for (const [why, vmi, want] of [
  ['plain', passt(), PLAIN],
  [
    'PCI address',
    passt({ pciAddress: '0000:02:02.0' }),
    PLAIN.replace(
      '<source',
      '<address type="pci" domain="0x0000" bus="0x02" slot="0x02" function="0x0"></address><source',
    ),
  ],
  [
    'MAC address',
    passt({ macAddress: '02:02:02:02:02:02' }),
    PLAIN.replace(MODEL, `${MODEL}<mac address="02:02:02:02:02:02"></mac>`),
  ],
  ['ACPI index', passt({ acpiIndex: 2 }), PLAIN.replace('<backend', '<acpi index="2"></acpi><backend')],
  // The reference keeps type vhostuser, which libvirt rejects: "vhostuser requires the virtio-net*
  // frontend".
  [
    'a model other than virtio',
    passt({ model: 'e1000' }),
    PLAIN.replace('virtio-non-transitional', 'e1000').replace('vhostuser', 'user'),
  ],
  [
    'transitional virtio',
    passt({}, { devices: { useVirtioTransitional: true } }),
    PLAIN.replace('non-transitional', 'transitional'),
  ],
] as const) {
  upstream(`interface: ${why}`, async () => assert.is(await one({ vmi }), want));
}

for (const [why, vmi, want] of [
  ['none listed: all', passt(), ALL],
  ['TCP only', passt(ports(['TCP', 1], ['TCP', 4])), `<portForward proto="tcp">${range(1, 4)}</portForward>`],
  ['UDP only', passt(ports(['UDP', 2], ['UDP', 3])), `<portForward proto="udp">${range(2, 3)}</portForward>`],
  [
    'both, and one without a protocol',
    passt(ports(['', 1], ['UDP', 2], ['UDP', 3], ['TCP', 4])),
    `<portForward proto="tcp">${range(1, 4)}</portForward><portForward proto="udp">${range(2, 3)}</portForward>`,
  ],
  [
    "Istio: all of TCP except its proxy's own ports",
    passt({}, ISTIO),
    '<portForward proto="tcp">' +
      [15000, 15001, 15004, 15006, 15008, 15009, 15020, 15021, 15053, 15090]
        .map((port) => `<range start="${port}" exclude="yes"></range>`)
        .join('') +
      '</portForward>',
  ],
] as const) {
  upstream(`ports: ${why}`, async () => assert.is(await forwards({ vmi }), want));
}

upstream('other interfaces stay, and stay in front', async () => {
  const existing = '<interface type="bridge"><alias name="ua-existing-iface"></alias></interface>';
  const answer = await defined(`<domain><devices>${existing}</devices></domain>`, { vmi: passt() });
  assert.is(answer, `<domain><devices>${existing}${PLAIN}</devices>${SHARED}</domain>`);
});

upstream('a second call changes nothing', async () => {
  const once = await definedAsIs(EMPTY, { vmi: passt() });
  assert.is(await definedAsIs(once, { vmi: passt() }), once);
});

upstream('the source is the pod link of the status', async () => {
  const vmi = passt({}, { status: { interfaces: [{ name: 'default', podInterfaceName: 'ovn-udn1' }] } });
  const links = [...podLinks, veth('ovn-udn1')];
  assert.is(await one({ vmi, links }), PLAIN.replace('eth0', 'ovn-udn1'));
});

upstream('memory is shared by memfd if the domain has no memory backing', async () => {
  assert.equal(elements(await defined(EMPTY, { vmi: passt() }), 'memoryBacking'), [SHARED]);
});

upstream('private memory is rejected', async () => {
  const domain = EMPTY.replace('<devices', '<memoryBacking><access mode="private"/></memoryBacking><devices');
  const error = await caught(() => defined(domain, { vmi: passt() }));
  assert.is(error.code, 'INVALID_DOMAIN');
  assert.match(
    error.message,
    /^Cannot bind interface "default": it needs shared guest memory, .*"private"; .*=user/,
  );
});

upstream('memory shared by a file stays so', async () => {
  const backing = '<memoryBacking><source type="file"/><access mode="shared"/></memoryBacking>';
  const answer = await definedAsIs(EMPTY.replace('<devices', `${backing}<devices`), { vmi: passt() });
  assert.equal(elements(answer, 'memoryBacking'), [backing]);
});

upstream.run();

const own = suite('passt');

own('a plain socket on request of the image needs no shared memory, and the rest is the same', async () => {
  const answer = await defined(EMPTY, { vmi: passt(), env: { TAPWIRE_PASST_BACKEND: 'user' } });
  assert.is(answer, `<domain><devices>${PLAIN.replace('vhostuser', 'user')}</devices></domain>`);
});

own('a model other than virtio needs no shared memory', async () => {
  const domain = EMPTY.replace('<devices', '<memoryBacking><access mode="private"/></memoryBacking><devices');
  assert.match(await defined(domain, { vmi: passt({ model: 'rtl8139' }) }), /<access mode="private"\/>/);
});

own('an error about a missing pod link names it and the existing links', async () => {
  const error = await caught(() => defined(EMPTY, { vmi: passt(), links: [veth('net1')] }));
  assert.is(error.code, 'LINK_MISSING');
  assert.is(
    error.message,
    `Cannot bind interface "default": the pod has no link "eth0"; check the pod's network-status annotation`,
  );
});

own('ports are listed once, because passt rejects duplicates', async () => {
  const vmi = passt(ports(['TCP', 80], ['', 80], ['UDP', 80]));
  const tcp = `<portForward proto="tcp">${range(80)}</portForward>`;
  assert.is(await forwards({ vmi }), tcp + tcp.replace('tcp', 'udp'));
});

own("Istio's ports take precedence over those of the VMI", async () => {
  const vmi = passt(ports(['TCP', 80], ['UDP', 53]), ISTIO);
  assert.match(
    await forwards({ vmi }),
    /start="15090" exclude="yes"><\/range><range start="80"><\/range><\/portForward><portForward proto="udp"><range start="53">/,
  );
});

own('boot order, link state and the options of a confidential guest are added', async () => {
  const vmi = passt({ bootOrder: 1, state: 'down' }, { domain: { launchSecurity: { sev: {} } } });
  const parts = '<boot order="1"></boot><link state="down"></link>';
  assert.is(
    await one({ vmi }),
    PLAIN.replace('<alias', `${parts}<alias`).replace('<rom', '<driver iommu="on"></driver><rom'),
  );
});

own('the interface replaces any other with its alias, and keeps its slot', async () => {
  const address = '<address type="pci" domain="0x0000" bus="0x03" slot="0x00" function="0x0"/>';
  const current =
    `<interface type="ethernet" trustGuestRxFilters="yes"><alias name="ua-default"/><target dev="tap0"/>${address}` +
    '<mac address="52:54:00:00:00:01"/><filterref filter="f"/><portForward proto="udp"/></interface>';
  const answer = await one({ vmi: passt() }, `<domain><devices>${current}</devices></domain>`);
  assert.is(answer, PLAIN.replace('<source', `${address}<source`));
});

own.run();
