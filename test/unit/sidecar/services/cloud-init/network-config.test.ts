import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { networkConfigOf } from '../../../../../sidecar/services/cloud-init/network-config.ts';
import type { GuestNetwork } from '../../../../../sidecar/services/guest-network.ts';
import { bridged, calico } from '../../../../helpers/sidecar/cloud-init.ts';

const test = suite('networkConfigOf()');

const MAC = '02:00:00:00:00:12';

const ethernet = (network: GuestNetwork) =>
  JSON.parse(networkConfigOf([{ mac: MAC, network }])).ethernets.nic0;

test('networkConfigOf() flags a gateway outside the subnet, and keeps the route to it', () => {
  assert.equal(JSON.parse(networkConfigOf([{ mac: MAC, network: calico }])), {
    version: 2,
    ethernets: {
      nic0: {
        match: { macaddress: MAC },
        mtu: 1400,
        addresses: ['10.0.0.5/32', 'fd00:1::5/128'],
        'accept-ra': false,
        routes: [
          { to: '169.254.1.1/32', via: '0.0.0.0' },
          { to: '0.0.0.0/0', via: '169.254.1.1', 'on-link': true },
          { to: '::/0', via: 'fe80::ecee:eeff:feee:eeee' },
        ],
        nameservers: {
          addresses: ['10.96.0.10', 'fd00::a'],
          search: ['vms.svc.cluster.local', 'cluster.local'],
        },
      },
    },
  });
});

test('networkConfigOf() does not flag a gateway in the subnet, and gives IPv6 its longest on-link prefix', () => {
  assert.equal(ethernet(bridged), {
    match: { macaddress: MAC },
    mtu: 1500,
    addresses: ['10.244.1.5/20', 'fd00:2::5/64', '2001:db8::5/128'],
    'accept-ra': false,
    routes: [
      { to: '10.244.0.0/16', via: '10.244.0.1' },
      { to: '0.0.0.0/0', via: '10.244.0.1' },
      { to: '::/0', via: 'fe80::1' },
      { to: 'fd00:3::/47', via: 'fe80::1' },
    ],
  });
});

test('networkConfigOf() adds a route to each gateway that only a flag of the pod made reachable', () => {
  const routes = [
    { destination: 'default', gateway: '169.254.1.1' },
    { destination: '10.9.0.0/16', gateway: '169.254.1.1' },
    { destination: '10.8.0.0/16', gateway: '192.0.2.1' },
    { destination: '192.0.2.0/24', gateway: null },
  ];
  const ipv4 = { address: '10.0.0.5', prefixLength: 32, routes };
  assert.equal(ethernet({ ...bridged, ipv4, ipv6: null }).routes, [
    { to: '169.254.1.1/32', via: '0.0.0.0' },
    { to: '0.0.0.0/0', via: '169.254.1.1', 'on-link': true },
    { to: '10.9.0.0/16', via: '169.254.1.1', 'on-link': true },
    { to: '10.8.0.0/16', via: '192.0.2.1', 'on-link': true },
    { to: '192.0.2.0/24', via: '0.0.0.0' },
  ]);
});

const ipv6 = bridged.ipv6;
if (ipv6 === null) throw new Error('Unreachable');

test('networkConfigOf() leaves router advertisements on, and writes no route of IPv6, while the router is unknown', () => {
  const unknown = { ...ipv6, router: 'fe80::75:10', isDefaultRouter: false, routes: [] };
  const { routes, ...one } = ethernet({ ...bridged, ipv4: null, ipv6: unknown });
  assert.is('accept-ra' in one, false);
  assert.is(routes, undefined);
});

test('networkConfigOf() writes no default route through a router that is not one for all destinations', () => {
  const { routes } = ethernet({ ...bridged, ipv4: null, ipv6: { ...ipv6, isDefaultRouter: false } });
  assert.equal(routes, [{ to: 'fd00:3::/47', via: 'fe80::1' }]);
});

test('networkConfigOf() writes each interface with an address, in order', () => {
  const text = networkConfigOf([
    { mac: '02:00:00:00:00:01', network: { ...calico, ipv4: null, ipv6: null } },
    { mac: '02:00:00:00:00:02', network: { ...calico, ipv4: null } },
    { mac: '02:00:00:00:00:03', network: { ...calico, ipv6: null } },
  ]);
  const { nic0, nic1, ...others } = JSON.parse(text).ethernets;
  assert.equal([nic0.match.macaddress, nic0.addresses], ['02:00:00:00:00:02', ['fd00:1::5/128']]);
  assert.equal([nic1.match.macaddress, nic1.addresses], ['02:00:00:00:00:03', ['10.0.0.5/32']]);
  assert.equal(others, {});
});

test('networkConfigOf() leaves out search domains that are not domain names', () => {
  const searchDomains = ['good.test', 'a..b', `${'x'.repeat(64)}.test`, ''];
  assert.equal(ethernet({ ...bridged, searchDomains }).nameservers, { search: ['good.test'] });
});

test('networkConfigOf() writes DNS servers without search domains', () => {
  assert.equal(ethernet({ ...bridged, nameservers: ['10.96.0.10'] }).nameservers, {
    addresses: ['10.96.0.10'],
  });
});

test('networkConfigOf() quotes all text, so that no YAML parser takes a MAC address for a number', () => {
  assert.match(networkConfigOf([{ mac: MAC, network: calico }]), '"macaddress": "02:00:00:00:00:12"');
});

test.run();
