/**
 * The sidecar's replies as virt-launcher uses them: pass after pass, each with less of the previous
 * reply.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BINDING_NAMES, BINDINGS } from '../../shared/bindings.ts';
import { caught } from '../helpers/caught.ts';
import { interfacesOf, withInterfaces } from '../helpers/lab/domain-spec.ts';
import { type GoElement, leaf, node, parseGoXml, toGoXml } from '../helpers/lab/go-xml.ts';
import { type Asked, definedAsIs } from '../helpers/sidecar/defined.ts';
import {
  defineInPasses,
  emulatedLibvirt,
  type Pass,
  placeholderCount,
} from '../helpers/sidecar/virt-launcher.ts';
import { macvtapLink, podLinks, tapLink, type VmiParts, veth } from '../helpers/sidecar/vmi.ts';

const QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0';

/**
 * The interface that virt-launcher renders for a `tap` attachment; nothing for a binding with only
 * a sidecar.
 */
const attached = (name: string, tap: string) =>
  node(
    'interface',
    { type: 'ethernet' },
    leaf('source', ''),
    node('target', { dev: tap, managed: 'no' }),
    node('model', { type: 'virtio-non-transitional' }),
    node('mac', { address: '02:00:00:00:00:11' }),
    node('alias', { name: `ua-${name}` }),
    node('driver', { name: 'vhost', queues: '4' }),
  );
const foreign = node(
  'interface',
  { type: 'bridge' },
  node('source', { bridge: 'k6t-eth0' }),
  node('mac', { address: '02:00:00:00:00:77' }),
  node('alias', { name: 'ua-other' }),
);

function domain(interfaces: readonly GoElement[], args: readonly string[]): GoElement {
  const commandline = node('qemu:commandline', {}, ...args.map((value) => node('qemu:arg', { value })));
  return node(
    'domain',
    { type: 'kvm', 'xmlns:qemu': QEMU },
    leaf('name', 'lab_vm1'),
    leaf('memory', '1073741824', { unit: 'b' }),
    node('os', {}, leaf('type', 'hvm', { arch: 'x86_64', machine: 'q35' })),
    node('devices', {}, leaf('emulator', '/usr/bin/qemu-system-x86_64'), ...interfaces),
    ...(args.length > 0 ? [commandline] : []),
    leaf('vcpu', '4', { placement: 'static' }),
  );
}

const bound = (name: string, binding: string, more: object = {}) => ({
  name,
  binding: { name: binding },
  ...more,
});
const pod = (name: string) => ({ name, pod: {} });
const lan = (name: string) => ({ name, multus: { networkName: name } });
const ports = [{ port: 80 }, { protocol: 'UDP', port: 53 }];
const istio = { metadata: { annotations: { 'sidecar.istio.io/inject': 'true' } } };
const MQ = { devices: { networkInterfaceMultiqueue: true }, domain: { cpu: { cores: 4 } } };
const mqLinks = podLinks.map((link) => (link.tun ? tapLink(link.ifname, { multiQueue: true }) : link));
const moreLinks = [...mqLinks, veth('net2', { mac: '02:00:00:00:00:22' }), tapLink('tap2', { mtu: 1400 })];

/** The pod with a macvtap in the place of the second network's pod link and tap. */
const macvtapLinks = podLinks.flatMap((link) => {
  if (link.ifname === 'tapb1f51a511f1') return [];
  return [link.ifname === 'podb1f51a511f1' ? macvtapLink(link.ifname) : link];
});

interface Combination {
  readonly why: string;
  readonly vmi: (devices?: object) => VmiParts;
  /** Interfaces of the domain before the first pass. */
  readonly interfaces: readonly GoElement[];
  readonly links?: typeof podLinks;
  readonly env?: Readonly<Record<string, string>>;
}

const vmiOf =
  (interfaces: readonly object[], networks: readonly object[], more: VmiParts = {}) =>
  (devices: object = {}): VmiParts => ({
    ...more,
    networks,
    devices: { ...more.devices, interfaces, ...devices },
  });

const combinations: readonly Combination[] = [
  {
    why: 'tap, attached by KubeVirt',
    vmi: vmiOf([bound('red', 'tapwire')], [lan('red')]),
    interfaces: [attached('red', 'tapb1f51a511f1')],
  },
  {
    why: 'tap with queues, attached by KubeVirt',
    vmi: vmiOf([bound('red', 'tapwire-mq')], [lan('red')], MQ),
    interfaces: [attached('red', 'tapb1f51a511f1')],
    links: mqLinks,
  },
  { why: 'tap, all by the sidecar', vmi: vmiOf([bound('red', 'tapwire')], [lan('red')]), interfaces: [] },
  {
    why: 'macvtap, attached by KubeVirt',
    vmi: vmiOf([bound('red', 'tapwire-macvtap')], [lan('red')]),
    interfaces: [attached('red', 'podb1f51a511f1')],
    links: macvtapLinks,
  },
  {
    why: 'macvtap with queues, all by the sidecar, next to a tap',
    vmi: vmiOf(
      [bound('red', 'tapwire-macvtap'), bound('default', 'tapwire')],
      [lan('red'), pod('default')],
      MQ,
    ),
    interfaces: [foreign],
    links: macvtapLinks,
  },
  { why: 'passt', vmi: vmiOf([bound('default', 'tapwire-passt')], [pod('default')]), interfaces: [foreign] },
  {
    why: 'passt by a socket, with ports and Istio',
    vmi: vmiOf([bound('default', 'tapwire-passt', { ports })], [pod('default')], istio),
    interfaces: [],
    env: { TAPWIRE_PASST_BACKEND: 'user' },
  },
  {
    why: 'passt for a confidential guest, with a slot',
    vmi: vmiOf([bound('default', 'tapwire-passt', { pciAddress: '0000:07:00.0' })], [pod('default')], {
      domain: { launchSecurity: { snp: {} } },
    }),
    interfaces: [],
  },
  {
    why: 'slirp',
    vmi: vmiOf([bound('default', 'tapwire-slirp', { ports })], [pod('default')]),
    interfaces: [foreign],
  },
  {
    why: 'slirp on a secondary network, with a model',
    vmi: vmiOf([bound('red', 'tapwire-slirp', { model: 'e1000e' })], [lan('red')]),
    interfaces: [],
  },
  {
    why: 'passt and tap',
    vmi: vmiOf(
      [bound('default', 'tapwire-passt'), bound('red', 'tapwire')],
      [pod('default'), lan('red')],
      MQ,
    ),
    interfaces: [foreign, attached('red', 'tapb1f51a511f1')],
    links: mqLinks,
  },
  {
    why: 'passt, slirp and tap',
    vmi: vmiOf(
      [bound('default', 'tapwire-passt'), bound('blue', 'tapwire-slirp', { ports }), bound('red', 'tapwire')],
      [pod('default'), lan('red'), lan('blue')],
    ),
    interfaces: [attached('red', 'tapb1f51a511f1')],
  },
  {
    why: 'two of slirp and two of tap',
    vmi: vmiOf(
      [
        bound('s1', 'tapwire-slirp', { ports }),
        bound('red', 'tapwire-mq'),
        bound('blue', 'tapwire'),
        bound('s2', 'tapwire-slirp', { state: 'down' }),
      ],
      [lan('red'), lan('blue'), pod('s1'), lan('s2')],
      MQ,
    ),
    interfaces: [attached('blue', 'tap2'), foreign],
    links: moreLinks,
  },
];

/**
 * Splits a domain into Tapwire's part and the rest, each without PCI addresses of interfaces that
 * libvirt placed.
 */
function parts(xml: string, vmi: VmiParts) {
  const root = parseGoXml(xml);
  const { interfaces } = vmi.devices as {
    readonly interfaces: readonly { name: string; pciAddress?: string }[];
  };
  const own = interfaces.flatMap(({ name, pciAddress }) => {
    const found = interfacesOf(root).filter((one) =>
      one.children.some((child) => child.name === 'alias' && child.attributes['name'] === `ua-${name}`),
    );
    const placed = (one: GoElement) => ({
      ...one,
      children: one.children.filter((child) => child.name !== 'address' || pciAddress !== undefined),
    });
    return found.map((one) => ({ original: one, shown: toGoXml(placed(one)) }));
  });
  const others = interfacesOf(root).filter((one) => own.every(({ original }) => original !== one));
  const isOurs = ({ name }: GoElement) => name === 'memoryBacking' || name.startsWith('qemu:');
  const rest = withInterfaces({ ...root, children: root.children.filter((child) => !isOurs(child)) }, others);
  return {
    own: {
      interfaces: own.map(({ shown }) => shown).sort(),
      needs: root.children
        .filter(isOurs)
        .map((child) => toGoXml(child))
        .sort(),
    },
    rest: toGoXml({ ...rest, attributes: { type: root.attributes['type'] ?? '' } }),
  };
}

const lossy = suite('a lossy caller');

for (const name of BINDING_NAMES) {
  lossy(`the combinations contain ${name}`, () => {
    const names: readonly string[] = Object.values(BINDINGS[name].registeredAs);
    const used = combinations.flatMap(({ vmi }) => (vmi().devices as Devices).interfaces);
    assert.ok(used.some(({ binding }) => names.includes(binding.name)));
  });
}

interface Devices {
  readonly interfaces: readonly { readonly binding: { readonly name: string } }[];
}

for (const { why, vmi: vmiWith, interfaces, links = podLinks, env = {} } of combinations) {
  const vmi = vmiWith();
  const asked: Asked = { vmi, links, env, searchDomains: ['lab.example'] };
  const single = (args: readonly string[]) => definedAsIs(toGoXml(domain(interfaces, args)), asked);

  const count = (vmi.devices as Devices).interfaces.length;
  const room = placeholderCount(count);

  for (const [release, placeholders, keepsCommandline, args] of [
    ['passes A, B, C', room, false, []],
    ['passes B, C', 0, false, []],
    ['passes A, B, C with the command line', room, true, ['-fw_cfg', 'name=opt/x,string=a,,id=tapwire-s1']],
    ['passes B, C with the command line', 0, true, ['-netdev', 'user,id=theirs']],
  ] as const) {
    lossy(`${release} ends like a single pass: ${why}`, async () => {
      const passes = await defineInPasses(domain(interfaces, args), {
        hook: (xml) => definedAsIs(xml, asked),
        define: emulatedLibvirt,
        placeholders,
        keepsCommandline,
      });
      assert.is(passes.length, placeholders > 0 ? 3 : 2);
      const want = parts(await single(args), vmi).own;
      for (const { input, answer } of passes) {
        assert.equal(parts(answer, vmi).own, want);
        assert.is(parts(answer, vmi).rest, parts(input, vmi).rest);
        assert.is(await definedAsIs(answer, asked), answer, 'asked again at once');
      }
    });
  }

  lossy(`KubeVirt up to 1.7 ends with pass B: ${why}`, async () => {
    const passes = await defineInPasses(domain(interfaces, []), {
      hook: (xml) => definedAsIs(xml, asked),
      define: emulatedLibvirt,
      placeholders: placeholderCount(1),
      keepsCommandline: false,
    });
    assert.equal(parts(passes[1]?.answer ?? '', vmi).own, parts(await single([]), vmi).own);
  });
}

lossy('an interface keeps the slot that libvirt gave it', async () => {
  const vmi = vmiOf([bound('default', 'tapwire-slirp')], [pod('default')])();
  const hook = (xml: string) => definedAsIs(xml, { vmi });
  const passes = await defineInPasses(domain([foreign], []), {
    hook,
    define: emulatedLibvirt,
    placeholders: 0,
    keepsCommandline: false,
  });
  assert.match(
    passes.at(-1)?.answer ?? '',
    /<interface type="user">\s*<address type="pci" domain="0x0000" bus="0x02"/,
  );
});

lossy('two sidecars, each for one name, give the same domain in either order', async () => {
  const vmi = vmiOf([bound('a', 'tapwire-slirp', { ports }), bound('b', 'slirp')], [pod('a'), lan('b')])();
  const ask = (name: string) => (xml: string) =>
    definedAsIs(xml, { vmi, env: { NETWORK_BINDING_PLUGIN_NAME: name } });
  const through = async (first: string, second: string) => {
    const passes = await defineInPasses(domain([], []), {
      hook: async (xml) => ask(second)(await ask(first)(xml)),
      define: emulatedLibvirt,
      placeholders: 3,
      keepsCommandline: true,
    });
    const { own } = parts(passes.at(-1)?.answer ?? '', vmi);
    return {
      ...own,
      needs: own.needs
        .join()
        .match(/tapwire-[ab]/g)
        ?.sort(),
    };
  };
  assert.equal(await through('slirp', 'tapwire-slirp'), await through('tapwire-slirp', 'slirp'));
});

lossy.run();

const migration = suite('a migration target');

/** Fields of the VMI on the target: all are the source's. */
const sourceStatus = (names: readonly string[]) => ({
  phase: 'Running',
  interfaces: names.map((name, index) => ({
    name,
    podInterfaceName: name === 'default' || name === 's1' ? 'eth0' : undefined,
    mac: `02:00:00:00:00:5${index}`,
    ipAddress: '10.244.0.7',
    queueCount: 1,
    infoSource: 'domain, guest-agent, multus-status',
  })),
  migrationState: { sourceNode: 'n1', targetNode: 'n2', targetPod: 'virt-launcher-vm1-x' },
});

for (const { why, vmi: vmiWith, interfaces, links = podLinks, env = {} } of combinations) {
  migration(`a migration target fails nowhere that the source does not: ${why}`, async () => {
    const vmi = vmiWith();
    const names = (vmi.devices as { interfaces: { name: string }[] }).interfaces.map(({ name }) => name);
    const there = links.map((link) => ({
      ...link,
      ifindex: link.ifindex + 40,
      mac: link.mac.replace(/^0[02]/, '06'),
    }));
    const xml = toGoXml(domain(interfaces, []));
    const target = await definedAsIs(xml, {
      vmi: { ...vmi, status: sourceStatus(names) },
      links: there,
      env,
    });
    const source = await definedAsIs(xml, { vmi, links, env });
    // Without a MAC address in the VMI the pod link's is used. libvirt migrates the source's
    // domain.
    assert.is(target.replaceAll('06:00:', '02:00:'), source);
  });
}

migration.run();

const callback = suite('OnDefineDomain: upstream cases');

const VMI = vmiOf([bound('default', 'tapwire-slirp')], [pod('default')])();
const LINE = 'qemu:commandline';

callback('an empty document is rejected', async () => {
  assert.is((await caught(() => definedAsIs('', { vmi: VMI }))).code, 'INVALID_DOMAIN');
});

callback('a document that is not XML is rejected', async () => {
  assert.is((await caught(() => definedAsIs('invalid-domain-xml', { vmi: VMI }))).code, 'INVALID_DOMAIN');
});

callback("the caller gets a binding's error", async () => {
  const vmi = vmiOf([bound('default', 'tapwire-slirp', { ports: [{ port: 0 }] })], [pod('default')])();
  assert.match((await caught(() => definedAsIs('<domain><devices/></domain>', { vmi }))).message, /port 0/);
});

callback("without an interface of Tapwire's the bytes are unchanged", async () => {
  const xml = `<?xml version='1.0'?>\n<domain  type="kvm" ><devices/></domain>\n`;
  assert.is(await definedAsIs(xml, { vmi: vmiOf([bound('x', 'other')], [pod('x')])() }), xml);
});

/** The last pass, after another sidecar's argument in the first. */
async function lastPass(vmi: VmiParts, args: readonly string[]): Promise<Pass> {
  const passes = await defineInPasses(domain([], args), {
    hook: (xml) => definedAsIs(xml, { vmi }),
    define: emulatedLibvirt,
    placeholders: 3,
    keepsCommandline: true,
  });
  const last = passes.at(-1);
  if (last === undefined) throw new Error('No pass');
  return last;
}

callback('the next pass begins with the changes of the reply', async () => {
  const { input } = await lastPass(VMI, []);
  assert.match(input, '<alias name="ua-default">');
});

callback('arguments of QEMU survive the passes', async () => {
  const { input, answer } = await lastPass(VMI, ['-fw_cfg', 'name=x']);
  for (const xml of [input, answer]) assert.is(xml.match(/value="name=x"/g)?.length, 1);
});

callback('arguments that the reply added reach the next pass', async () => {
  const { input, answer } = await lastPass(VMI, []);
  for (const xml of [input, answer]) assert.is(xml.match(/value="user,id=tapwire-default,/g)?.length, 1);
});

callback('arguments are not added without need', async () => {
  const { answer } = await lastPass(vmiOf([bound('red', 'tapwire')], [lan('red')])(), []);
  assert.not.match(answer, LINE);
});

callback('arguments that another hook removed stay removed', async () => {
  const first = await definedAsIs(toGoXml(domain([], ['-fw_cfg', 'name=x'])), { vmi: VMI });
  const without = first.replace(/<qemu:arg value="(-fw_cfg|name=x)"><\/qemu:arg>\s*/g, '');
  assert.is(await definedAsIs(without, { vmi: VMI }), without);
});

callback.run();
