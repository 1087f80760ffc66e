import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseVmi } from '../../../../sidecar/vmi/vmi.ts';
import { caught } from '../../../helpers/caught.ts';
import { vmiJson } from '../../../helpers/sidecar/vmi.ts';

const parse = suite('parseVmi()');

const OURS = ['tapwire'];
const binding = { name: 'tapwire' };
const RED_PATH = '$.spec.domain.devices.interfaces[1]';

parse("reads the fields of Tapwire's interfaces and nothing else", () => {
  assert.equal(parseVmi(vmiJson(), OURS), {
    namespace: 'lab',
    name: 'vm1',
    architecture: 'amd64',
    useVirtioTransitional: false,
    confidential: false,
    queues: 0,
    istio: false,
    interfaces: [
      {
        name: 'red',
        binding: 'tapwire',
        network: { primary: false, ordinal: 1 },
        model: null,
        mac: null,
        pciAddress: null,
        acpiIndex: 0,
        bootOrder: null,
        linkDown: false,
        ports: [],
      },
    ],
    otherBindings: [],
  });
});

parse('reads everything that an interface can have', () => {
  const red = {
    model: 'e1000e',
    macAddress: '02:00:00:AA:00:11',
    pciAddress: '0000:02:02.0',
    acpiIndex: 5,
    bootOrder: 2,
    state: 'down',
    ports: [{ name: 'web', protocol: 'TCP', port: 80 }, { port: 0 }, {}],
  };
  assert.equal(parseVmi(vmiJson({ red }), OURS).interfaces[0], {
    name: 'red',
    binding: 'tapwire',
    network: { primary: false, ordinal: 1 },
    model: 'e1000e',
    mac: '02:00:00:aa:00:11',
    pciAddress: { domain: '0000', bus: '02', slot: '02', function: '0' },
    acpiIndex: 5,
    bootOrder: 2,
    linkDown: true,
    ports: [
      { protocol: 'TCP', port: 80 },
      { protocol: '', port: 0 },
      { protocol: '', port: 0 },
    ],
  });
});

parse("treats Go's zero values as absent", () => {
  const red = {
    model: '',
    macAddress: '',
    pciAddress: '',
    acpiIndex: 0,
    bootOrder: null,
    state: '',
    ports: null,
  };
  assert.equal(parseVmi(vmiJson({ red }), OURS), parseVmi(vmiJson(), OURS));
});

for (const [why, interfaces, want] of [
  [
    'other bindings, with any content',
    [{ name: 7, binding: { name: 'passt' }, macAddress: {} }, { bridge: {} }, { name: 'red', binding }],
    ['red'],
  ],
  [
    "names of Tapwire's only",
    ['tapwire', 'tapwire-mq', 'tapwir', 'Tapwire', ''].map((name, index) => ({
      name: index ? `x${index}` : 'red',
      binding: { name },
    })),
    ['red'],
  ],
  ['no binding', [{ name: 'red', binding: null }, { name: 'red' }], []],
  ['an interface that is being unplugged', [{ name: 'red', binding, state: 'absent' }], []],
  ['one that is up', [{ name: 'red', binding, state: 'up' }], ['red']],
  ['none at all', [], []],
] as const) {
  parse(`interfaces: ${why}`, () => {
    const names = parseVmi(vmiJson({ interfaces }), OURS).interfaces.map(({ name }) => name);
    assert.equal(names, want);
  });
}

parse('names the other bindings once, without those of interfaces that are being unplugged', () => {
  const interfaces = ['passt', 'tapwire', 'nat', 'passt'].map((name, index) => ({
    name: name === 'tapwire' ? 'red' : `x${index}`,
    binding: { name },
  }));
  const unplugged = { name: 'gone', binding: { name: 'gone' }, state: 'absent' };
  const { otherBindings } = parseVmi(vmiJson({ interfaces: [...interfaces, unplugged] }), OURS);
  assert.equal(otherBindings, ['passt', 'nat']);
});

parse('accepts a VMI without any devices', () => {
  const vmi = Buffer.from('{"spec":{"domain":{"devices":{}}}}');
  assert.equal(parseVmi(vmi, OURS), {
    namespace: '',
    name: '',
    architecture: '',
    useVirtioTransitional: false,
    confidential: false,
    queues: 0,
    istio: false,
    interfaces: [],
    otherBindings: [],
  });
});

const pod = { name: 'red', pod: {} };
const multusDefault = { name: 'red', multus: { networkName: 'x', default: true } };
const secondary = (name: string) => ({ name, multus: { networkName: name } });

for (const [why, networks, status, want] of [
  ['the pod network', [pod], {}, { primary: true, podIfname: null, cidr: null }],
  [
    'the pod network with a link in the status',
    [pod],
    {
      interfaces: [
        { name: 'blue', podInterfaceName: 'x' },
        { name: 'red', podInterfaceName: 'ovn-udn1' },
      ],
    },
    { primary: true, podIfname: 'ovn-udn1', cidr: null },
  ],
  ['the pod network before there is a status', [pod], null, { primary: true, podIfname: null, cidr: null }],
  [
    'the pod network with an empty link in the status',
    [pod],
    { interfaces: [{ name: 'red', podInterfaceName: '' }] },
    { primary: true, podIfname: null, cidr: null },
  ],
  [
    'the pod network with a CIDR',
    [{ name: 'red', pod: { vmNetworkCIDR: '10.9.0.0/16' } }],
    {},
    { primary: true, podIfname: null, cidr: '10.9.0.0/16' },
  ],
  [
    'the pod network with an empty CIDR',
    [{ name: 'red', pod: { vmNetworkCIDR: '' } }],
    {},
    { primary: true, podIfname: null, cidr: null },
  ],
  ['the default of Multus', [multusDefault], {}, { primary: true, podIfname: null, cidr: null }],
  ['the first secondary', [{ name: 'p', pod: {} }, secondary('red')], {}, { primary: false, ordinal: 1 }],
  [
    'the third secondary',
    [secondary('a'), { ...multusDefault, name: 'd' }, secondary('b'), secondary('red')],
    {},
    { primary: false, ordinal: 3 },
  ],
  [
    "one that is not Multus'",
    [secondary('a'), { name: 'red', resourceClaim: {} }],
    {},
    { primary: false, ordinal: null },
  ],
] as const) {
  parse(`network: ${why}`, () => {
    const parts = {
      networks,
      interfaces: [{ name: 'red', binding }],
      ...(status === null ? {} : { status }),
    };
    const json = JSON.parse(vmiJson(parts).toString());
    if (status === null) delete json.status;
    assert.equal(parseVmi(Buffer.from(JSON.stringify(json)), OURS).interfaces[0]?.network, want);
  });
}

for (const [form, want] of [
  ['02:00:00:00:00:0a', '02:00:00:00:00:0a'],
  ['DE-AD-00-00-BE-AF', 'de:ad:00:00:be:af'],
  ['0200.5e10.00AB', '02:00:5e:10:00:ab'],
] as const) {
  parse(`macAddress: ${form}`, () => {
    assert.is(parseVmi(vmiJson({ red: { macAddress: form } }), OURS).interfaces[0]?.mac, want);
  });
}

for (const [why, red, message] of [
  ['a number for a MAC', { macAddress: 5 }, 'macAddress: want a string, got 5'],
  [
    'a short MAC',
    { macAddress: '02:00:00:00:00' },
    'macAddress: want a unicast MAC address such as "02:00:00:00:00:01", got "02:00:00:00:00"',
  ],
  [
    'an InfiniBand MAC',
    { macAddress: '02:00:5e:10:00:00:00:01' },
    'macAddress: want a unicast MAC address such as "02:00:00:00:00:01", got "02:00:5e:10:00:00:00:01"',
  ],
  [
    'mixed separators',
    { macAddress: '02:00-00:00:00:01' },
    'macAddress: want a unicast MAC address such as "02:00:00:00:00:01", got "02:00-00:00:00:01"',
  ],
  [
    'a multicast MAC',
    { macAddress: '01:00:5e:00:00:01' },
    'macAddress: want a unicast MAC address such as "02:00:00:00:00:01", got "01:00:5e:00:00:01"',
  ],
  [
    'no MAC',
    { macAddress: '00:00:00:00:00:00' },
    'macAddress: want a unicast MAC address such as "02:00:00:00:00:01", got "00:00:00:00:00:00"',
  ],
  ['markup as a model', { model: '"/><x' }, 'model: want a device model such as "virtio", got "\\"/><x"'],
  [
    'a PCI function of 8',
    { pciAddress: '0000:02:02.8' },
    'pciAddress: want a PCI address such as "0000:02:02.0", got "0000:02:02.8"',
  ],
  [
    'a PCI slot of 0x20',
    { pciAddress: '0000:02:20.0' },
    'pciAddress: want a PCI address such as "0000:02:02.0", got "0000:02:20.0"',
  ],
  [
    'a PCI address in parts',
    { pciAddress: '02:02.0' },
    'pciAddress: want a PCI address such as "0000:02:02.0", got "02:02.0"',
  ],
  [
    'an ACPI index that QEMU refuses',
    { acpiIndex: 16384 },
    'acpiIndex: want an integer in 0..16383, got 16384',
  ],
  ['a boot order of 0', { bootOrder: 0 }, 'bootOrder: want an integer in 1..2147483647, got 0'],
  ['a boot order as text', { bootOrder: '1' }, 'bootOrder: want an integer in 1..2147483647, got "1"'],
  [
    'a port as text',
    { ports: [{ port: '80' }] },
    'ports[0].port: want an integer in -2147483648..2147483647, got "80"',
  ],
  ['an empty name', { name: '' }, 'name: want a name, got ""'],
  ['no name', { name: null }, 'name: want a string, got null'],
  ['a binding without name', { binding: {} }, 'binding.name: want a string, got nothing'],
] as const) {
  parse(`refuses ${why}`, async () => {
    const error = await caught(() => parseVmi(vmiJson({ red }), OURS));
    assert.is(error.code, 'INVALID_VMI');
    assert.is(error.message, `Cannot read ${RED_PATH}.${message}`);
  });
}

for (const [why, json, message] of [
  ['nothing', '', 'Cannot read the VMI: it is not JSON in UTF-8'],
  ['half a document', vmiJson().subarray(0, 300), 'Cannot read the VMI: it is not JSON in UTF-8'],
  ['Latin-1', Buffer.from('"\xe9"', 'latin1'), 'Cannot read the VMI: it is not JSON in UTF-8'],
  ['an array', '[]', 'Cannot read $: want an object, got []'],
  ['no spec', '{}', 'Cannot read $.spec: want an object, got nothing'],
  ['no devices', '{"spec":{"domain":{}}}', 'Cannot read $.spec.domain.devices: want an object, got nothing'],
  [
    'an inherited spec',
    '{"__proto__":{"spec":{"domain":{"devices":{}}}}}',
    'Cannot read $.spec: want an object, got nothing',
  ],
  [
    'interfaces that are not an array',
    vmiJson({ devices: { interfaces: {} } }),
    'Cannot read $.spec.domain.devices.interfaces: want an array, got {}',
  ],
  [
    'an interface that is not an object',
    vmiJson({ devices: { interfaces: ['x'] } }),
    'Cannot read $.spec.domain.devices.interfaces[0]: want an object, got "x"',
  ],
  [
    'the name twice',
    vmiJson({
      interfaces: [
        { name: 'red', binding },
        { name: 'red', binding },
      ],
    }),
    'Cannot bind interface "red": the VMI has two interfaces of that name',
  ],
  [
    'no network of this name',
    vmiJson({ networks: [] }),
    'Cannot bind interface "red": the VMI has no network of that name',
  ],
] as const) {
  parse(`refuses ${why}`, async () => {
    const error = await caught(() => parseVmi(Buffer.from(json as string), OURS));
    assert.is(error.code, 'INVALID_VMI');
    assert.is(error.message, message);
  });
}

parse('an error about JSON quotes nothing of the VMI', async () => {
  const broken = vmiJson().toString().replace('"SECRET"', '"SECRET');
  const error = await caught(() => parseVmi(Buffer.from(broken), OURS));
  assert.not.match(`${error.message} ${error.details} ${error.cause}`, /SECRET/);
});

parse('rejects deeply nested JSON instead of crashing', async () => {
  const error = await caught(() => parseVmi(Buffer.from('['.repeat(1_000_000)), OURS));
  assert.is(error.code, 'INVALID_VMI');
});

for (const [why, parts, want] of [
  ['none', {}, false],
  ['SEV', { domain: { launchSecurity: { sev: {} } } }, true],
  ['SEV-SNP', { domain: { launchSecurity: { snp: {} } } }, true],
  ['TDX', { domain: { launchSecurity: { tdx: {} } } }, false],
  ['Secure Execution', { spec: { architecture: 's390x' }, domain: { launchSecurity: {} } }, true],
] as const) {
  parse(`reads launch security: ${why}`, () => assert.is(parseVmi(vmiJson(parts), OURS).confidential, want));
}

const INJECT = 'sidecar.istio.io/inject';

for (const [why, metadata, want] of [
  ['not mentioned', { annotations: null, labels: { app: 'x' } }, false],
  ['requested by annotation', { annotations: { [INJECT]: 'True' } }, true],
  ['requested by label', { labels: { [INJECT]: 'true' } }, true],
  ['refused', { annotations: { [INJECT]: 'false' } }, false],
  // virt-controller turns the annotation into the pod's label.
  [
    'denied by the annotation, which takes precedence over the label',
    { annotations: { [INJECT]: 'false' }, labels: { [INJECT]: 'true' } },
    false,
  ],
] as const) {
  parse(`Istio: ${why}`, () => assert.is(parseVmi(vmiJson({ metadata }), OURS).istio, want));
}

const MQ = { devices: { networkInterfaceMultiqueue: true } };

for (const [why, parts, want] of [
  ['none without a request', { domain: { cpu: { cores: 4 } } }, 0],
  ['one for each vCPU', { ...MQ, domain: { cpu: { cores: 4, sockets: 2, threads: 2 } } }, 16],
  ['256 at most', { ...MQ, domain: { cpu: { cores: 300 } } }, 256],
  [
    'by the CPU limit',
    { ...MQ, domain: { cpu: null, resources: { limits: { cpu: '3' }, requests: { cpu: '1' } } } },
    3,
  ],
] as const) {
  parse(`queues: ${why}`, () => assert.is(parseVmi(vmiJson(parts), OURS).queues, want));
}

parse.run();
