import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defineDomain } from '../../../sidecar/define-domain.ts';
import { readSettings } from '../../../sidecar/settings.ts';
import { caught } from '../../helpers/caught.ts';
import { parseDomainSpec } from '../../helpers/lab/domain-spec.ts';
import { toGoXml } from '../../helpers/lab/go-xml.ts';
import { type DomainFixture, domainFixture, domainFixtures } from '../../helpers/sidecar/domain-fixtures.ts';
import { observing, podLinks, tapLink, veth, vmiJson } from '../../helpers/sidecar/vmi.ts';

const SETTINGS = readSettings({});

async function defined(domainXml: Uint8Array, vmi = vmiJson(), links = podLinks): Promise<Buffer> {
  const answer = await defineDomain({ domainXml, vmi }, SETTINGS, observing(links));
  return Buffer.from(answer.domainXml);
}

const OPEN = '<interface type="ethernet">';
const TARGET = '<target dev="tapb1f51a511f1" managed="no"></target>';
const CORE = `${TARGET}<model type="virtio-non-transitional"></model><mac address="02:00:00:00:00:11"></mac><mtu size="1500"></mtu>`;
const ALIAS = '<alias name="ua-red"></alias>';
const ROM = '<rom enabled="no"></rom>';
const RED = `${OPEN}${CORE}${ALIAS}${ROM}</interface>`;

/** Content between ⟦ and ⟧ in the reply, without white space between tags, if it is not RED. */
const OTHERS: Readonly<Record<string, string>> = {
  'devices-self-closing': `>${RED}</devices>`,
  'multiline-attributes': RED.replace(OPEN, '<interface type="ethernet" trustGuestRxFilters="yes">'),
  'read-back': RED.replace(
    OPEN,
    `${OPEN}<address type="pci" domain="0x0000" bus="0x01" slot="0x00" function="0x0"></address>`,
  ),
  'kept-children': RED.replace(
    '</interface>',
    '<bandwidth><inbound average="1000"></inbound></bandwidth><filterref filter="clean-traffic"></filterref>' +
      '<coalesce><rx><frames max="7"/></rx></coalesce></interface>',
  ),
  'kept-driver': RED.replace(
    ROM,
    `<driver name="vhost" iommu="on" rx_queue_size="1024"><host csum="off"></host></driver>${ROM}`,
  ),
};

/**
 * The part of a reply that replaced the fixture's mark; fails unless everything else is unchanged,
 * byte for byte.
 */
function replacement({ name, before, after }: DomainFixture, answer: Buffer): string {
  assert.ok(answer.subarray(0, before.length).equals(before), `${name}: what was before`);
  assert.ok(answer.subarray(answer.length - after.length).equals(after), `${name}: what was behind`);
  assert.ok(answer.length >= before.length + after.length, `${name}: nothing shared by both`);
  return answer.subarray(before.length, answer.length - after.length).toString();
}

const define = suite('defineDomain()');

for (const fixture of domainFixtures) {
  define(`${fixture.name}: only Tapwire's interface changes, byte for byte`, async () => {
    const answer = await defined(fixture.xml);
    assert.is(replacement(fixture, answer).trim().replace(/>\s+</g, '><'), OTHERS[fixture.name] ?? RED);
  });

  define(`${fixture.name}: a second call changes nothing`, async () => {
    const answer = await defined(fixture.xml);
    assert.ok(answer.equals(await defined(answer)));
  });

  define(`${fixture.name}: a VMI without an interface of Tapwire's gets its domain back`, async () => {
    const vmi = vmiJson({ red: { binding: { name: 'passt' } } });
    assert.ok((await defined(fixture.xml, vmi)).equals(fixture.xml));
  });
}

define('the fixtures have enough shapes', () => {
  assert.ok(domainFixtures.length >= 20);
});

define("three passes through virt-launcher's structs give the same interface", async () => {
  const through = (xml: Buffer) => Buffer.from(toGoXml(parseDomainSpec(xml.toString())));
  for (const multiQueue of [false, true]) {
    const links = podLinks.map((link) =>
      link.ifname === 'tapb1f51a511f1' ? tapLink(link.ifname, { multiQueue }) : link,
    );
    for (const { name, xml } of domainFixtures.filter(
      (fixture) => fixture.name !== 'qemu-commandline-unbound',
    )) {
      const interfaceOf = (domain: Buffer) => {
        const all = domain.toString().match(/<interface [^>]*>[\s\S]*?<\/interface>/g) ?? [];
        return all.filter((one) => one.includes('"ua-red"')).join();
      };
      const first = await defined(through(xml), vmiJson(), links);
      const second = await defined(through(first), vmiJson(), links);
      const third = await defined(through(second), vmiJson(), links);
      assert.match(interfaceOf(first), /queues=|tapb1f51a511f1/);
      assert.is(interfaceOf(first).includes('queues="2"'), multiQueue, name);
      assert.is(interfaceOf(third), interfaceOf(second), name);
      assert.is(interfaceOf(second), interfaceOf(first), name);
      assert.is(
        third.toString().match(/"ua-red"/g)?.length,
        first.toString().match(/"ua-red"/g)?.length,
        name,
      );
    }
  }
});

define("a domain is not even parsed if no interface is Tapwire's", async () => {
  const vmi = vmiJson({ red: { binding: { name: 'passt' } } });
  const garbage = Buffer.from('\xff<not xml', 'latin1');
  const observe = () => Promise.reject(new Error('The pod was looked at'));
  const { domainXml } = await defineDomain({ domainXml: garbage, vmi }, SETTINGS, observe);
  assert.ok(garbage.equals(domainXml));
});

for (const [why, env, binding, warns] of [
  ['a sidecar that serves none of the interfaces', {}, 'nat', true],
  ['a sidecar without any binding in the VM', {}, null, false],
  ['the sidecar of a Plugin', { TAPWIRE_PLUGIN_SOCKET: '/run/domain.sock' }, 'nat', false],
] as const) {
  define(`${why} ${warns ? 'warns' : 'is silent'}`, async () => {
    const vmi = vmiJson({ red: { binding: binding === null ? null : { name: binding } } });
    const domainXml = domainFixture('no-interface').xml;
    const { warnings } = await defineDomain({ domainXml, vmi }, readSettings(env), observing(podLinks));
    assert.is(warnings.length, warns ? 1 : 0);
    if (warns) assert.match(warnings[0] ?? '', /^the VM has no interface .*, only of "nat"; /);
  });
}

define('the warning shows at most ten of a thousand long names', async () => {
  const interfaces = Array.from({ length: 1000 }, (_, i) => ({
    name: `n${i}`,
    binding: { name: `b${i}`.padEnd(500, 'x') },
  }));
  const vmi = vmiJson({ interfaces, networks: interfaces.map(({ name }) => ({ name, pod: {} })) });
  const domainXml = domainFixture('no-interface').xml;
  const { warnings } = await defineDomain({ domainXml, vmi }, SETTINGS, observing(podLinks));
  assert.match(warnings[0] ?? '', /"b9x+\.\.\., \.\.\.; if sidecarImage /);
  assert.ok((warnings[0]?.length ?? 0) < 1500, `${warnings[0]?.length} characters`);
});

define('a pinned image that contradicts the name warns, also if it works', async () => {
  const settings = readSettings({ TAPWIRE_BINDING: 'tap', TAPWIRE_BINDING_NAMES: 'lan-slirp' });
  const vmi = vmiJson({ red: { binding: { name: 'lan-slirp' } } });
  const domainXml = domainFixture('no-interface').xml;
  const { warnings } = await defineDomain({ domainXml, vmi }, settings, observing(podLinks));
  assert.is(warnings.length, 1);
  assert.match(warnings[0] ?? '', /TAPWIRE_BINDING=tap, but binding "lan-slirp" of interface "red" is slirp/);
});

define('several interfaces keep their places, and missing ones are added at the end', async () => {
  const vmi = vmiJson({
    interfaces: ['new1', 'red', 'new2', 'default'].map((name) => ({ name, binding: { name: 'tapwire' } })),
    networks: [
      { name: 'default', pod: {} },
      ...['red', 'new1', 'new2'].map((name) => ({ name, multus: { networkName: name } })),
    ],
  });
  const links = [
    ...podLinks,
    veth('net2', { mac: '02:00:00:00:00:21' }),
    tapLink('tap2'),
    veth('net3', { mac: '02:00:00:00:00:31' }),
    tapLink('tap3'),
  ];
  const answer = (await defined(domainFixture('others-only').xml, vmi, links)).toString();
  assert.equal(
    [...answer.matchAll(/<interface|<target dev="tap[^"]*"|"ua-[^"]*"/g)].map(String),
    [
      '<interface',
      '<target dev="tap0"',
      '"ua-default"',
      '<interface',
      '<target dev="tap0371e81cb4a"',
      '"ua-blue"',
    ].concat(
      [
        '<interface',
        '<target dev="tap2"',
        '"ua-new1"',
        '<interface',
        '<target dev="tapb1f51a511f1"',
        '"ua-red"',
      ],
      ['<interface', '<target dev="tap3"', '"ua-new2"', '"ua-root"'],
    ),
  );
});

define("a hundred interfaces of Tapwire's are bound among a thousand others", async () => {
  const names = Array.from({ length: 100 }, (_, index) => `n${index}`);
  const vmi = vmiJson({
    interfaces: names.map((name) => ({ name, binding: { name: 'tapwire' } })),
    networks: names.map((name) => ({ name, multus: { networkName: name } })),
  });
  const links = names.flatMap((_, index) => [
    veth(`net${index + 1}`, { mac: `02:00:00:00:01:${index.toString(16).padStart(2, '0')}` }),
    tapLink(`tap${index + 1}`),
  ]);
  const other =
    '<interface type="ethernet"><mac address="02:00:00:00:00:99"/><alias name="ua-other"/></interface>\n';
  const ours = names
    .map((name) => `<interface type="ethernet"><alias name="ua-${name}"/></interface>\n`)
    .join('');
  const xml = `<domain>\n<devices>\n${other.repeat(900)}${ours}</devices>\n</domain>`;
  const answer = (await defined(Buffer.from(xml), vmi, links)).toString();
  assert.is(answer.match(/<interface/g)?.length, 1000);
  assert.is(answer.match(/managed="no"/g)?.length, 100);
  assert.is(answer.split(other).length, 901);
});

define('names with special characters of XML are escaped', async () => {
  const name = `"/><x a='&`;
  const vmi = vmiJson({
    interfaces: [{ name, binding: { name: 'tapwire' } }],
    networks: [{ name, multus: { networkName: 'x' } }],
  });
  const answer = await defined(domainFixture('no-interface').xml, vmi, [veth('net1'), tapLink('tap1')]);
  assert.ok(answer.includes('<alias name="ua-&#34;/&gt;&lt;x a=&#39;&amp;"></alias>'));
  assert.ok(answer.equals(await defined(answer, vmi, [veth('net1'), tapLink('tap1')])));
});

define('names that XML cannot contain are rejected', async () => {
  for (const name of ['\u0000', '\ud800', '\uffff']) {
    const vmi = vmiJson({
      interfaces: [{ name, binding: { name: 'tapwire' } }],
      networks: [{ name, multus: {} }],
    });
    const error = await caught(() =>
      defined(domainFixture('no-interface').xml, vmi, [veth('net1'), tapLink('tap1')]),
    );
    assert.is(error.code, 'INVALID_VMI');
    assert.match(
      error.message,
      /^Cannot write "ua-\\?.*" to the domain: XML does not allow one of its characters$/,
    );
  }
});

define.run();
