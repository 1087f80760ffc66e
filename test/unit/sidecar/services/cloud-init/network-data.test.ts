import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { networkDataOf } from '../../../../../sidecar/services/cloud-init/network-data.ts';
import type { GuestNetwork } from '../../../../../sidecar/services/guest-network.ts';
import { bridged, calico } from '../../../../helpers/sidecar/cloud-init.ts';

const test = suite('networkDataOf()');

const MAC = '02:00:00:00:00:12';
const dataOf = (network: GuestNetwork) => JSON.parse(networkDataOf([{ mac: MAC, network }]));

test('networkDataOf() writes a gateway outside the subnet as the gateway of the network', () => {
  assert.equal(dataOf(calico), {
    links: [{ id: 'nic0', type: 'phy', ethernet_mac_address: MAC, mtu: 1400 }],
    networks: [
      {
        id: 'nic0-0',
        link: 'nic0',
        type: 'ipv4',
        ip_address: '10.0.0.5',
        netmask: '255.255.255.255',
        gateway: '169.254.1.1',
        routes: [{ network: '169.254.1.1', netmask: '255.255.255.255', gateway: '0.0.0.0' }],
        services: [
          { type: 'dns', address: '10.96.0.10' },
          { type: 'dns', address: 'fd00::a' },
        ],
        dns_search: ['vms.svc.cluster.local', 'cluster.local'],
      },
      {
        id: 'nic0-1',
        link: 'nic0',
        type: 'ipv6',
        ip_address: 'fd00:1::5/128',
        routes: [{ network: '::', netmask: '0:0:0:0:0:0:0:0', gateway: 'fe80::ecee:eeff:feee:eeee' }],
      },
    ],
    services: [],
  });
});

test('networkDataOf() writes gateways in the subnet as routes, and masks of any length', () => {
  assert.equal(dataOf(bridged).networks, [
    {
      id: 'nic0-0',
      link: 'nic0',
      type: 'ipv4',
      ip_address: '10.244.1.5',
      netmask: '255.255.240.0',
      routes: [
        { network: '10.244.0.0', netmask: '255.255.0.0', gateway: '10.244.0.1' },
        { network: '0.0.0.0', netmask: '0.0.0.0', gateway: '10.244.0.1' },
      ],
      services: [],
    },
    {
      id: 'nic0-1',
      link: 'nic0',
      type: 'ipv6',
      ip_address: 'fd00:2::5/64',
      routes: [
        { network: '::', netmask: '0:0:0:0:0:0:0:0', gateway: 'fe80::1' },
        { network: 'fd00:3::', netmask: 'ffff:ffff:fffe:0:0:0:0:0', gateway: 'fe80::1' },
      ],
    },
    { id: 'nic0-2', link: 'nic0', type: 'ipv6', ip_address: '2001:db8::5/128', routes: [] },
  ]);
});

test('networkDataOf() keeps other routes through a gateway outside the subnet', () => {
  const routes = [
    { destination: '10.9.0.0/16', gateway: '169.254.1.1' },
    { destination: 'default', gateway: '169.254.1.1' },
  ];
  const ipv4 = { address: '10.0.0.5', prefixLength: 32, routes };
  const toGateway = { network: '169.254.1.1', netmask: '255.255.255.255', gateway: '0.0.0.0' };
  const other = { network: '10.9.0.0', netmask: '255.255.0.0', gateway: '169.254.1.1' };
  const [both] = dataOf({ ...calico, ipv4 }).networks;
  assert.equal([both.gateway, both.routes], ['169.254.1.1', [toGateway, other]]);
  const [one] = dataOf({ ...calico, ipv4: { ...ipv4, routes: routes.slice(0, 1) } }).networks;
  assert.equal(['gateway' in one, one.routes], [false, [toGateway, other]]);
});

test('networkDataOf() writes each interface with an address, and gives the DNS to its first network', () => {
  const { links, networks } = JSON.parse(
    networkDataOf([
      { mac: '02:00:00:00:00:01', network: { ...calico, ipv4: null, ipv6: null } },
      { mac: '02:00:00:00:00:02', network: { ...calico, ipv4: null } },
      { mac: '02:00:00:00:00:03', network: { ...calico, ipv6: null } },
    ]),
  );
  assert.equal(
    links.map((link: Record<string, unknown>) => [link['id'], link['ethernet_mac_address']]),
    [
      ['nic0', '02:00:00:00:00:02'],
      ['nic1', '02:00:00:00:00:03'],
    ],
  );
  assert.equal(
    networks.map((one: Record<string, unknown[]>) => [one['link'], one['type'], one['services']?.length]),
    [
      ['nic0', 'ipv6', 2],
      ['nic1', 'ipv4', 2],
    ],
  );
});

test.run();
