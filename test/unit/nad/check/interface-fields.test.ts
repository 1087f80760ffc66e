import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: fields of interfaces');

const VM = 'VirtualMachine "vms/red"';
const SUBJECT = `${VM}: interface "default"`;
const nic = (more: object) => ({ name: 'default', binding: { name: 'tapwire' }, ...more });
const check = (more: object, devices: object = {}) =>
  findingsOf(vm({ interfaces: [nic(more)], devices })).map((finding) => finding.replace(/^\d+ /, ''));

for (const fields of [
  ...['', '02:00:00:00:00:01', '02-00-00-00-00-01', 'DE:AD:00:00:BE:AF', 'dead.0000.beaf', null].map(
    (macAddress) => ({ macAddress }),
  ),
  ...['', 'virtio', 'e1000', 'e1000e', 'igb', 'ne2k_pci', 'pcnet', 'rtl8139', null].map((model) => ({
    model,
  })),
  ...['', '0000:81:01.0', '0000:00:1f.7', 'ABCD:EF:0A.0'].map((pciAddress) => ({ pciAddress })),
  ...[0, 1, 16_383].map((acpiIndex) => ({ acpiIndex })),
  ...[1, 2, null].map((bootOrder) => ({ bootOrder })),
  ...[
    [],
    [{ port: 1 }],
    [{ port: 65_535, protocol: 'UDP', name: 'dns-udp' }],
    [{ port: 80, protocol: '' }, { port: 80 }],
    null,
  ].map((ports) => ({ ports })),
  {
    dhcpOptions: {
      ntpServers: ['192.0.2.1'],
      privateOptions: [
        { option: 224, value: 'x' },
        { option: 254, value: 'y' },
      ],
    },
  },
  { tag: 'red', unheardOf: {} },
]) {
  test(`accepts ${JSON.stringify(fields)}`, () => assert.equal(check(fields), []));
}

const MAC = 'want a unicast MAC address of six octets such as "02:00:00:00:00:01"';
const MODEL = 'want one of virtio, e1000, e1000e, igb, ne2k_pci, pcnet, rtl8139';
const PCI = 'want a PCI address such as "0000:81:01.0"';
for (const [field, value, reason] of [
  ['macAddress', 'de:ad:00:00:be', MAC],
  ['macAddress', '00:11:22:33:44:55:66:77', MAC],
  ['macAddress', 'de:00c:00c:00:00:de:abc', MAC],
  ['macAddress', '02:00:00:00:00:0g', MAC],
  ['macAddress', '02:00-00:00:00:01', MAC],
  ['macAddress', '020000000001', MAC],
  ['macAddress', ' 02:00:00:00:00:01', MAC],
  ['macAddress', '01:00:5e:00:00:01', MAC],
  ['macAddress', 'ff:ff:ff:ff:ff:ff', MAC],
  ['macAddress', '00:00:00:00:00:00', MAC],
  ['macAddress', 5, MAC],
  ['model', 'virtio-net-pci', MODEL],
  ['model', 'VirtIO', MODEL],
  ['model', 'vmxnet3', MODEL],
  ['pciAddress', '00:02.0', PCI],
  ['pciAddress', '0000:81:01.8', PCI],
  ['pciAddress', '0000:81:20.0', PCI],
  ['pciAddress', '0000:00:00:02.0', PCI],
  ['pciAddress', true, PCI],
  ['acpiIndex', 16_384, 'want an integer in 0..16383'],
  ['acpiIndex', -1, 'want an integer in 0..16383'],
  ['acpiIndex', '1', 'want an integer in 0..16383'],
  ['bootOrder', 0, 'want an integer in 1..4294967295'],
  ['bootOrder', 1.5, 'want an integer in 1..4294967295'],
  ['bootOrder', '1', 'want an integer in 1..4294967295'],
  ['ports', { port: 80 }, 'want a list'],
  ['ports', '80', 'want a list'],
  ['dhcpOptions', [], 'want an object'],
] as const) {
  test(`finds ${field} ${JSON.stringify(value)}`, () => {
    assert.equal(
      check({ [field]: value }),
      field === 'model' || value !== undefined
        ? [`error: ${SUBJECT}: ${field} ${JSON.stringify(value)} is rejected; ${reason}`]
        : [],
    );
  });
}

const PORT_NAME =
  'is rejected; want at most 15 lower-case letters, digits and single "-", with at least one letter';
for (const [fields, reason] of [
  [{ ports: [{ port: 0 }] }, 'ports[0].port must be in 1..65535, got 0'],
  [{ ports: [{ name: 'a' }] }, 'ports[0].port must be in 1..65535, got nothing'],
  [{ ports: [{ port: 1 }, { port: 65_536 }] }, 'ports[1].port must be in 1..65535, got 65536'],
  [{ ports: [{ port: '80' }] }, 'ports[0].port must be in 1..65535, got "80"'],
  [{ ports: [{ port: -1 }] }, 'ports[0].port must be in 1..65535, got -1'],
  [{ ports: [{ port: 80, protocol: 'HTTP' }] }, 'ports[0].protocol must be "TCP" or "UDP", got "HTTP"'],
  [{ ports: [{ port: 80, protocol: 'tcp' }] }, 'ports[0].protocol must be "TCP" or "UDP", got "tcp"'],
  [
    {
      ports: [
        { name: 'a', port: 1 },
        { name: 'a', port: 2 },
      ],
    },
    'ports[1].name "a" appears twice; change one',
  ],
  ...['HTTP', '80', 'a--b', '-a', 'a-', 'a_b', 'sixteen-letters-'].map(
    (name) => [{ ports: [{ name, port: 1 }] }, `ports[0].name "${name}" ${PORT_NAME}`] as const,
  ),
  [{ portRanges: [{ start: 1, end: 2, protocol: 'TCP' }] }, 'portRanges needs masquerade; remove it'],
  [
    { dhcpOptions: { ntpServers: ['ntp.example.com'] } },
    'dhcpOptions.ntpServers[0] must be an IPv4 address, got "ntp.example.com"',
  ],
  [
    { dhcpOptions: { ntpServers: ['fd00::1'] } },
    'dhcpOptions.ntpServers[0] must be an IPv4 address, got "fd00::1"',
  ],
  [
    { dhcpOptions: { privateOptions: [{ option: 66, value: 'x' }] } },
    'dhcpOptions.privateOptions[0].option must be in 224..254, got 66',
  ],
  [
    {
      dhcpOptions: {
        privateOptions: [
          { option: 224, value: 'x' },
          { option: 224, value: 'y' },
        ],
      },
    },
    'dhcpOptions.privateOptions[1].option 224 appears twice; change one',
  ],
] as const) {
  test(`finds ${JSON.stringify(fields)}`, () =>
    assert.equal(check(fields), [`error: ${SUBJECT}: ${reason}`]));
}

for (const [why, more, findings] of [
  [
    'valid ones',
    {
      portRanges: [
        { start: 1, end: 1, protocol: 'TCP' },
        { start: 5, end: 9, protocol: 'UDP' },
      ],
    },
    [],
  ],
  [
    'one that ends before it begins',
    { portRanges: [{ start: 9, end: 5, protocol: 'TCP' }] },
    ['portRanges[0] must go from a port in 1..65535 to the same or a higher port, got [9,5]'],
  ],
  [
    'one without a protocol',
    { portRanges: [{ start: 5, end: 9 }] },
    ['portRanges[0].protocol must be "TCP" or "UDP", got nothing'],
  ],
  [
    'ports next to them',
    { ports: [], portRanges: [{ start: 5, end: 9, protocol: 'TCP' }] },
    ['portRanges cannot be combined with ports; remove one'],
  ],
  [
    'eleven',
    { portRanges: Array.from({ length: 11 }, (_, i) => ({ start: i + 1, end: i + 1, protocol: 'TCP' })) },
    ['portRanges has more than 10 ranges; merge some'],
  ],
] as const) {
  test(`judges port ranges of masquerade: ${why}`, () => {
    const found = findingsOf(vm({ interfaces: [{ name: 'default', masquerade: {}, ...more }] }));
    assert.equal(
      found,
      findings.map((reason) => `8 error: ${SUBJECT}: ${reason}`),
    );
  });
}

test('skips ports of other networks, as KubeVirt does', () => {
  const interfaces = [{ name: 'default', bridge: {}, ports: [{ port: 0 }] }];
  assert.equal(
    findingsOf(vm({ interfaces, networks: [{ name: 'default', multus: { networkName: 'lan' } }] })),
    [],
  );
});

for (const name of ['my.net', 'a b', 'länder', 'a/b']) {
  test(`finds the interface name "${name}"`, () => {
    const parts = { interfaces: [nic({ name })], networks: [{ name, pod: {} }] };
    assert.equal(findingsOf(vm(parts)), [
      `8 error: ${VM}: interface "${name}": name "${name}" is rejected; want only letters, digits, "-" and "_"`,
    ]);
  });
}
for (const name of ['A-1_b', '-', '_', '1']) {
  test(`accepts the interface name "${name}"`, () =>
    assert.equal(findingsOf(vm({ interfaces: [nic({ name })], networks: [{ name, pod: {} }] })), []));
}

for (const [field, meant] of [
  ['macaddress', 'macAddress'],
  ['macAdress', 'macAddress'],
  ['mac', 'macAddress'],
  ['mac_address', 'macAddress'],
  ['pciAdress', 'pciAddress'],
  ['bootorder', 'bootOrder'],
  ['port', 'ports'],
  ['States', 'state'],
] as const) {
  test(`finds the field "${field}"`, () => {
    assert.equal(check({ [field]: 'x' }), [
      `warning: ${SUBJECT}: KubeVirt has no field "${field}"; want "${meant}"`,
    ]);
  });
}

const two = (first: object, second: object) => ({
  interfaces: [nic(first), { name: 'lan', bridge: {}, ...second }],
  networks: [
    { name: 'default', pod: {} },
    { name: 'lan', multus: { networkName: 'lan' } },
  ],
});
for (const [field, one, other, consequence] of [
  ['bootOrder', 1, 1, 'KubeVirt rejects that'],
  ['acpiIndex', 7, 7, 'QEMU does not start with that'],
  ['pciAddress', '0000:0a:01.0', '0000:0A:01.0', 'libvirt does not start with that'],
] as const) {
  test(`finds two interfaces with the same ${field}`, () => {
    assert.equal(findingsOf(vm(two({ [field]: one }, { [field]: other }))), [
      `8 error: ${VM}: interface "lan" and interface "default" have the same ${field} ${JSON.stringify(other)}, and ${consequence}; change one`,
    ]);
  });
}
test('finds two interfaces with the same MAC address in different forms', () => {
  const parts = two({ macAddress: '02:00:00:00:00:0A' }, { macAddress: '0200.0000.000a' });
  assert.equal(findingsOf(vm(parts)), [
    `8 warning: ${VM}: interface "lan" and interface "default" have the same macAddress 02:00:00:00:00:0a, and Tapwire's sidecar rejects that; change one`,
  ]);
});
test('accepts values that are not set in two interfaces', () => {
  const unset = { macAddress: '', pciAddress: '', acpiIndex: 0, bootOrder: null };
  assert.equal(findingsOf(vm(two(unset, unset))), []);
});
test('finds an interface with the boot order of a disk', () => {
  assert.equal(check({ bootOrder: 1 }, { disks: [{ name: 'root', bootOrder: 1 }] }), [
    `error: ${SUBJECT} and disk "root" have the same bootOrder 1, and KubeVirt rejects that; change one`,
  ]);
  for (const disks of [[{ name: 'root', bootOrder: 2 }], [{ name: 'root' }], 'x', [null, 7]]) {
    assert.equal(check({ bootOrder: 1 }, { disks }), []);
  }
});
test('reports the MAC address that KubeVirt reserves for masquerade', () => {
  const found = findingsOf(
    vm({ interfaces: [{ name: 'default', masquerade: {}, macAddress: '02:00:00:00:00:00' }] }),
  );
  assert.equal(found, [
    `8 error: ${SUBJECT}: KubeVirt reserves macAddress "02:00:00:00:00:00" for masquerade; choose another`,
  ]);
});

test.run();
