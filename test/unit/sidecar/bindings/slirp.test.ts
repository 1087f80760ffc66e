import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { caught } from '../../../helpers/caught.ts';
import { type Asked, defined, definedAsIs, elements, podVmi } from '../../../helpers/sidecar/defined.ts';

const EMPTY = '<domain><devices></devices></domain>';
const NS = 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"';
const PLAIN =
  '<interface type="user"><model type="virtio-non-transitional"></model><alias name="ua-default"></alias><rom enabled="no"></rom></interface>';
const NETDEV = 'user,id=tapwire-default,net=10.0.2.0/24,dnssearch=dns.com';
const overriding = (name: string) =>
  `<qemu:override><qemu:device alias="ua-${name}"><qemu:frontend>` +
  `<qemu:property name="netdev" type="string" value="tapwire-${name}"></qemu:property>` +
  '</qemu:frontend></qemu:device></qemu:override>';
const args = (...values: string[]) =>
  values.map((value) => `<qemu:arg value="${value}"></qemu:arg>`).join('');
const commandline = (...values: string[]) => `<qemu:commandline>${args(...values)}</qemu:commandline>`;

const slirp = (iface: object = {}, pod: object = {}): Asked => ({
  vmi: podVmi('tapwire-slirp', iface, pod),
  searchDomains: ['dns.com'],
});
const one = async (asked: Asked) => elements(await defined(EMPTY, asked), 'interface').join('\n');
const values = async (asked: Asked, domain = EMPTY) =>
  [...(await defined(domain, asked)).matchAll(/<qemu:arg value="([^"]*)"/g)].map(([, value]) => value);

const upstream = suite('slirp: upstream cases');

for (const [why, interfaces, networks] of [
  ['no interface', [], [{ name: 'default', pod: {} }]],
  ['an interface without a binding', [{ name: 'default' }], [{ name: 'default', pod: {} }]],
  ['another binding method', [{ name: 'default', masquerade: {} }], [{ name: 'default', pod: {} }]],
  ['another binding', [{ name: 'default', binding: { name: 'sriov' } }], [{ name: 'default', pod: {} }]],
] as const) {
  upstream(`the domain stays as it is: ${why}`, async () => {
    assert.is(await definedAsIs(EMPTY, { vmi: { interfaces, networks } }), EMPTY);
  });
}

// The reference adds no `<interface>`, which KubeVirt requires of a secondary network, and so
// rejects secondary networks.
upstream('a secondary network without a pod network works as well', async () => {
  const vmi = { red: { binding: { name: 'tapwire-slirp' } } };
  assert.is(
    await defined(EMPTY, { vmi }),
    `<domain ${NS}><devices>${PLAIN.replace('default', 'red')}</devices>` +
      `${commandline('-netdev', 'user,id=tapwire-red,net=10.0.2.0/24')}${overriding('red')}</domain>`,
  );
});

upstream('an interface without a network is rejected', async () => {
  const vmi = { ...podVmi('tapwire-slirp'), networks: [] };
  assert.match((await caught(() => defined(EMPTY, { vmi }))).message, /the VMI has no network of that name/);
});

upstream('a custom CIDR is passed to QEMU', async () => {
  assert.equal(await values(slirp({}, { vmNetworkCIDR: '192.168.100.0/24' })), [
    '-netdev',
    'user,id=tapwire-default,net=192.168.100.0/24,dnssearch=dns.com',
  ]);
});

upstream('ports', async () => {
  const ports = [{ name: 'http', protocol: 'TCP', port: 80 }, { port: 8080 }];
  assert.equal(await values(slirp({ ports })), [
    '-netdev',
    `${NETDEV},hostfwd=tcp::80-:80,hostfwd=tcp::8080-:8080`,
  ]);
});

// The reference adds the device itself and turns this into e1000. Here libvirt adds it, so that the
// VMI gets what it requests.
upstream('virtio stays virtio', async () => assert.is(await one(slirp({ model: 'virtio' })), PLAIN));

upstream('the MAC address is that of the VMI', async () => {
  const mac = '02:02:02:02:02:02';
  assert.match(await one(slirp({ macAddress: mac })), `<mac address="${mac}"></mac>`);
});

upstream('rtl8139', async () => {
  const want = PLAIN.replace('virtio-non-transitional', 'rtl8139');
  assert.is(await one(slirp({ model: 'rtl8139' })), want);
});

upstream('arguments of other hooks stay, in front', async () => {
  const domain = EMPTY.replace('</domain>', `${commandline('-device', 'foo', '-M')}</domain>`);
  const want = ['-device', 'foo', '-M', '-netdev', NETDEV];
  assert.equal(await values(slirp(), domain.replace('<domain', `<domain ${NS}`)), want);
});

upstream('existing arguments are not added again', async () => {
  const domain = `<domain ${NS}><devices/>${commandline('-netdev', NETDEV)}</domain>`;
  assert.equal(await values(slirp(), domain), ['-netdev', NETDEV]);
});

upstream('a second call changes nothing', async () => {
  const domain = `<domain ${NS}><devices/>${commandline('-device', 'foo', '-M')}</domain>`;
  const once = await definedAsIs(domain, slirp());
  assert.is(await definedAsIs(once, slirp()), once);
});

for (const cidr of [
  '592.468.300.0/24',
  '10.0.2.0',
  '10.0.2/24',
  '10.0.2.0/24,restrict=on',
  'fd10::/64',
  '10.0.2.0/3',
  '10.0.2.0/28',
]) {
  upstream(`CIDR ${cidr} is rejected`, async () => {
    const error = await caught(() => defined(EMPTY, slirp({}, { vmNetworkCIDR: cidr })));
    assert.is(error.code, 'INVALID_VMI');
    assert.is(
      error.message,
      `Cannot bind interface "default": slirp cannot use vmNetworkCIDR "${cidr}"; want IPv4 with a prefix length of 4 to 27, ` +
        'such as 10.0.2.0/24',
    );
  });
}

for (const port of [-1, 0]) {
  upstream(`port ${port} is rejected`, async () => {
    assert.match((await caught(() => defined(EMPTY, slirp({ ports: [{ port }] })))).message, `port ${port};`);
  });
}

upstream.run();

const own = suite('slirp');

own('the domain gets an interface, a backend and the device connected to it', async () => {
  assert.is(
    await defined(EMPTY, slirp()),
    `<domain ${NS}><devices>${PLAIN}</devices>${commandline('-netdev', NETDEV)}${overriding('default')}</domain>`,
  );
});

own('ports are listed once, because QEMU exits on duplicates', async () => {
  const ports = [{ port: 80 }, { protocol: 'UDP', port: 80 }, { protocol: 'tcp', port: 80 }];
  assert.is((await values(slirp({ ports })))[1], `${NETDEV},hostfwd=tcp::80-:80,hostfwd=udp::80-:80`);
});

own("outdated arguments of Tapwire's are replaced in place", async () => {
  const stale = NETDEV.replace('dns.com', 'old.com,hostfwd=tcp::1-:1');
  const domain = `<domain ${NS}><devices/>${commandline('-netdev', stale, '-M', 'x')}</domain>`;
  assert.equal(await values(slirp(), domain), ['-netdev', NETDEV, '-M', 'x']);
});

own('search domains that no DHCP client could use are left out', async () => {
  const searchDomains = ['.', 'a.b.', 'x,hostfwd=tcp::1-:1', 'svc.cluster.local', 'a..b', 'é.com'];
  const [, netdev] = await values({ ...slirp(), searchDomains });
  assert.is(netdev, 'user,id=tapwire-default,net=10.0.2.0/24,dnssearch=a.b.,dnssearch=svc.cluster.local');
});

for (const name of ['a,b', 'a b', 'é', 'x'.repeat(201)]) {
  own(`the name ${JSON.stringify(name.slice(0, 10))} cannot be an id`, async () => {
    const vmi = {
      interfaces: [{ name, binding: { name: 'tapwire-slirp' } }],
      networks: [{ name, pod: {} }],
    };
    assert.match((await caught(() => defined(EMPTY, { vmi }))).message, /QEMU cannot use its name as an id/);
  });
}

own('each of several interfaces has its own backend', async () => {
  const names = ['a', '_b', '0.c'];
  const vmi = {
    interfaces: names.map((name) => ({ name, binding: { name: 'tapwire-slirp' } })),
    networks: names.map((name) => ({ name, multus: { networkName: name } })),
  };
  const answer = await defined(EMPTY, { vmi });
  assert.equal(
    [...answer.matchAll(/id=tapwire-([^,]*)|netdev" type="string" value="tapwire-([^"]*)/g)].map(
      ([, id, netdev]) => id ?? netdev,
    ),
    [...names, ...names],
  );
  assert.is(answer.match(/<qemu:override>/g)?.length, 1);
});

own.run();
