import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, kubevirt, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: IPAM on secondary networks');

const list = (...plugins: readonly object[]): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'lan', plugins });

/** Findings for a VM whose second interface is on a network with this configuration. */
const findingsFor = (config: string, one: object = {}, multus: object = {}, others = ''): readonly string[] =>
  findingsOf(
    nad('lan', config, 'vms') +
      vm({
        interfaces: [
          { name: 'default', masquerade: {} },
          { name: 'red', binding: { name: 'tapwire-secondary' }, ...one },
        ],
        networks: [
          { name: 'default', pod: {} },
          { name: 'red', multus: { networkName: 'lan', ...multus } },
        ],
      }) +
      others,
  ).filter((line) => !line.includes('without macAddress'));

const ON_RED = 'VirtualMachine "vms/red": interface "red"';
const notTold = (type: string, ipam: string, remedy = 'use binding "tapwire-pod-ip"') =>
  `14 advice: ${ON_RED}: "${type}" of network "lan" has ipam "${ipam}", which gives an address to the pod link, and nothing ` +
  `tells it to the guest; ${remedy} for that, configure the address in the guest, or remove "ipam" and run a DHCP server on the network`;
const leased = (type: string, and = '') =>
  `14 warning: ${ON_RED}: "${type}" of network "lan" has ipam "dhcp": its daemon leases an address for the pod link, cannot ` +
  'renew it, because Tapwire redirects the replies to the guest, and sets the pod link down when the lease expires; remove ' +
  `"ipam"${and} and let the guest ask for a lease`;

for (const type of ['macvlan', 'bridge', 'vlan']) {
  for (const ipam of ['host-local', 'whereabouts', 'static']) {
    test(`advises against ipam "${ipam}" of ${type}, which the guest never learns`, () => {
      assert.equal(findingsFor(list({ type, ipam: { type: ipam } })), [notTold(type, ipam)]);
    });
  }
  test(`warns of ipam "dhcp" of ${type}, which sets the pod link down`, () => {
    assert.equal(findingsFor(list({ type, ipam: { type: 'dhcp' } })), [leased(type)]);
  });
}

test('names the binding for several queues to a VM that has them', () => {
  const config = list({ type: 'macvlan', ipam: { type: 'static' } });
  const many = findingsFor(config, { binding: { name: 'tapwire-secondary-mq' } });
  assert.is(many.at(-1), notTold('macvlan', 'static', 'use binding "tapwire-pod-ip-mq"'));
});

test('finds ipam in a configuration without a list, and after the first plugin', () => {
  const single = JSON.stringify({
    cniVersion: '1.0.0',
    name: 'lan',
    type: 'bridge',
    ipam: { type: 'static' },
  });
  assert.equal(findingsFor(single), [notTold('bridge', 'static')]);
  const chain = list({ type: 'tuning' }, { type: 'macvlan', ipam: { type: 'dhcp' } });
  assert.equal(findingsFor(chain), [leased('macvlan')]);
});

test('finds ipam in a chain with Tapwire', () => {
  const chain = list({ type: 'macvlan', ipam: { type: 'host-local' } }, { type: 'tapwire' });
  const remedy = 'set "guestAddresses": "pod" in its NetworkAttachmentDefinition';
  assert.equal(findingsFor(chain, { binding: { name: 'lan-tap' } }), [
    notTold('macvlan', 'host-local', remedy),
  ]);
});

const SERVED = { type: 'tapwire', guestAddresses: 'pod' };
const BY_NETWORK = { binding: { name: 'lan-tap' } };
const BY_BINDING = { binding: { name: 'tapwire-pod-ip' } };

test('accepts ipam of a network whose addresses the pod tells the guest, but not "dhcp"', () => {
  const served = (type: string) => list({ type: 'macvlan', ipam: { type } }, SERVED);
  assert.equal(findingsFor(served('host-local'), BY_NETWORK), []);
  assert.equal(findingsFor(served('dhcp'), BY_NETWORK), [
    leased('macvlan', ', remove "guestAddresses" from its NetworkAttachmentDefinition,'),
  ]);
  assert.equal(findingsFor(list({ type: 'macvlan', ipam: { type: 'dhcp' } }), BY_BINDING), [
    leased('macvlan', ', use binding "tapwire-secondary",'),
  ]);
});

test('reads guestAddresses from the NAD of the binding as well', () => {
  const registration = kubevirt({
    'tapwire-pod': {
      networkAttachmentDefinition: 'default/served',
      domainAttachmentType: 'tap',
      sidecarImage: 'localhost/tapwire',
    },
  });
  const one = { binding: { name: 'tapwire-pod' } };
  const config = list({ type: 'macvlan', ipam: { type: 'host-local' } });
  const served = nad('served', { network: 'secondary', guestAddresses: 'pod' }) + registration;
  assert.equal(findingsFor(config, one, {}, served), []);
});

const WITH = (type: string) => list({ type: 'macvlan', ipam: { type } });
for (const [why, config, one, multus] of [
  ['a plugin without ipam', list({ type: 'macvlan' }), {}, {}],
  ['an empty ipam', list({ type: 'macvlan', ipam: {} }), {}, {}],
  ['an ipam plugin that it does not know', WITH('kube-ovn'), {}, {}],
  ['an interface of another binding', WITH('dhcp'), { binding: { name: 'other' } }, {}],
  ['an interface that KubeVirt bridges', WITH('dhcp'), { binding: null, bridge: {} }, {}],
  ['a network that is not in the input', WITH('dhcp'), {}, { networkName: 'default/wan' }],
] as const) {
  test(`accepts ${why}`, () => {
    assert.equal(
      findingsFor(config, one, multus).filter((line) => /ipam/.test(line)),
      [],
    );
  });
}

test.run();
