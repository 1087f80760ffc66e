import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findingsOf, kubevirt, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check: networks of served guests');

const chain = (...plugins: readonly object[]): string =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'lan', plugins });
const SERVED = { type: 'tapwire', guestAddresses: 'pod' };
const OVN = { type: 'ovn-k8s-cni-overlay', netAttachDefName: 'vms/lan', topology: 'layer2' };
const HOST_LOCAL = { ipam: { type: 'host-local' } };

/** Findings for a VM whose second interface is on a network with this configuration. */
const onLan = (config: string, name = 'tapwire-pod-ip', multus: object = {}, others = '') =>
  findingsOf(
    nad('lan', config, 'vms') +
      vm({
        interfaces: [
          { name: 'default', masquerade: {} },
          { name: 'red', binding: { name }, macAddress: '02:00:00:00:00:01' },
        ],
        networks: [
          { name: 'default', pod: {} },
          { name: 'red', multus: { networkName: 'lan', ...multus } },
        ],
      }) +
      others,
  ).filter((line) => line.includes('guestAddresses'));

const RED = 'VirtualMachine "vms/red": interface "red"';
const REMEDY = 'use binding "tapwire-secondary"';
const KEPT = '"guestAddresses": "pod" keeps its replies from the guest';
const without = (type: string, key: string, remedy = REMEDY) =>
  `14 warning: ${RED}: "${type}" of network "lan" has no ${key}, so the pod has no address to tell the guest, and with ` +
  `"guestAddresses": "pod" no other server may; add "${key}", or ${remedy}`;
const ovnServes = (remedy = REMEDY) =>
  `14 warning: ${RED}: "ovn-k8s-cni-overlay" of network "lan" serves the guest itself, and moves its address with the VM, ` +
  `but ${KEPT}; ${remedy}`;
const kubeOvnMay = `14 advice: ${RED}: if the subnet of "kube-ovn" of network "lan" has enableDHCP, Kube-OVN serves the guest itself, but ${KEPT}; in that case, ${REMEDY}`;

for (const type of ['macvlan', 'bridge', 'vlan', 'host-device', 'sriov']) {
  test(`warns of ${type} without ipam`, () => {
    assert.equal(onLan(chain({ type })), [without(type, 'ipam')]);
    assert.equal(onLan(chain({ type, ipam: {} })), [without(type, 'ipam')]);
    assert.equal(onLan(chain({ type, ...HOST_LOCAL })), []);
  });
}

test('warns of a network of OVN-Kubernetes, which serves its guests', () => {
  assert.equal(onLan(chain({ ...OVN, subnets: '10.1.0.0/16' })), [ovnServes()]);
  assert.equal(onLan(chain({ ...OVN, topology: 'localnet', subnets: '10.1.0.0/16' })), [ovnServes()]);
});

test('warns of a network of OVN-Kubernetes without subnets, which gives the pod no address', () => {
  assert.equal(onLan(chain(OVN)), [without('ovn-k8s-cni-overlay', 'subnets')]);
});

test('accepts a network of OVN-Kubernetes that serves nobody: layer 3', () => {
  assert.equal(onLan(chain({ ...OVN, topology: 'layer3', subnets: '10.1.0.0/16/24' })), []);
});

test('advises a look at the subnet of Kube-OVN', () => {
  assert.equal(onLan(chain({ type: 'kube-ovn', provider: 'lan.vms.ovn' })), [kubeOvnMay]);
  assert.equal(onLan(chain({ type: 'macvlan', ipam: { type: 'kube-ovn' } })), [], 'IPAM alone serves nobody');
});

test('names the binding for several queues to a VM that has them', () => {
  const [found = ''] = onLan(chain({ type: 'macvlan' }), 'tapwire-pod-ip-mq').filter((line) =>
    line.includes('no ipam'),
  );
  assert.match(found, 'or use binding "tapwire-secondary-mq"');
});

test('names the binding of the primary network for one that replaces it', () => {
  const [found = ''] = findingsOf(
    nad('lan', chain({ type: 'bridge' }), 'vms') +
      vm({
        interfaces: [{ name: 'default', binding: { name: 'tapwire-pod-ip' } }],
        networks: [{ name: 'default', multus: { networkName: 'lan', default: true } }],
      }),
  );
  assert.match(found, /has no ipam.*or use binding "tapwire"$/);
});

test('accepts the same networks for guests that the network serves', () => {
  for (const plugin of [{ type: 'macvlan' }, { ...OVN, subnets: '10.1.0.0/16' }, { type: 'kube-ovn' }])
    assert.equal(onLan(chain(plugin), 'tapwire-secondary'), []);
});

const registered = (plugins: object) => kubevirt({ 'lan-tap': { domainAttachmentType: 'tap' }, ...plugins });
const WITH_IMAGE = { 'lan-tap': { domainAttachmentType: 'tap', sidecarImage: 'localhost/tapwire' } };
const BY_NETWORK = chain({ type: 'bridge', ...HOST_LOCAL }, SERVED);
const NO_SIDECAR =
  `14 error: ${RED}: its network has "guestAddresses": "pod", but binding "lan-tap" has no sidecar that tells the guest its ` +
  "addresses; write sidecarImage into the registration, with Tapwire's image";

test("rejects a network's own NAD with guestAddresses if no binding of the VM has a sidecar", () => {
  assert.equal(onLan(BY_NETWORK, 'lan-tap', {}, registered({})), [NO_SIDECAR]);
});

test('accepts it with a sidecar, of any binding of the VM, and if the registration is not in the files', () => {
  assert.equal(onLan(BY_NETWORK, 'lan-tap', {}, registered(WITH_IMAGE)), []);
  assert.equal(onLan(BY_NETWORK, 'lan-tap'), []);
  const two = vm({
    interfaces: [
      { name: 'default', binding: { name: 'tapwire' } },
      { name: 'red', binding: { name: 'lan-tap' }, macAddress: '02:00:00:00:00:01' },
    ],
    networks: [
      { name: 'default', pod: {} },
      { name: 'red', multus: { networkName: 'lan' } },
    ],
  });
  const tapwire = {
    networkAttachmentDefinition: 'default/tapwire-tap',
    domainAttachmentType: 'tap',
    sidecarImage: 'localhost/tapwire',
  };
  const found = findingsOf(
    nad('lan', BY_NETWORK, 'vms') + nad('tapwire-tap') + two + registered({ tapwire }),
  );
  assert.equal(
    found.filter((line) => line.includes('sidecar')),
    [],
  );
});

test("names the key of a network's own NAD as what to remove", () => {
  const remedy = 'remove "guestAddresses" from its NetworkAttachmentDefinition';
  const config = chain({ type: 'bridge' }, SERVED);
  assert.equal(onLan(config, 'lan-tap', {}, registered(WITH_IMAGE)), [without('bridge', 'ipam', remedy)]);
});

const POD = 'VirtualMachine "vms/red": interface "default"';
const ANNOTATION = 'kubevirt.io/allow-pod-bridge-network-live-migration';
const onPod = (name: string, annotations: object = {}) =>
  vm({ interfaces: [{ name: 'default', binding: { name } }] }).replace(
    '  template:\n',
    `  template:\n    metadata: {annotations: ${JSON.stringify(annotations)}}\n`,
  );

test('warns of the annotation with which OVN-Kubernetes serves the default network', () => {
  assert.equal(findingsOf(onPod('tapwire-pod-ip', { [ANNOTATION]: '' })), [
    `10 warning: ${POD}: its annotation "${ANNOTATION}" makes OVN-Kubernetes leave the pod without addresses and serve the guest ` +
      `itself, but ${KEPT}; use binding "tapwire", or remove the annotation`,
  ]);
  assert.equal(findingsOf(onPod('tapwire', { [ANNOTATION]: '' })), []);
  assert.equal(findingsOf(onPod('tapwire-pod-ip', { other: '' })), []);
});

const udn = (more: object, namespace = 'vms') =>
  nad('udn', JSON.stringify({ cniVersion: '1.1.0', name: 'udn', ...OVN, ...more }), namespace);

test('warns of a namespace whose primary network OVN-Kubernetes serves', () => {
  const primary = { role: 'primary', subnets: '10.1.0.0/16' };
  assert.equal(findingsOf(onPod('tapwire-pod-ip') + udn(primary)), [
    `10 warning: ${POD}: "ovn-k8s-cni-overlay" of "udn", the primary network of its namespace, serves the guest itself, and moves ` +
      `its address with the VM, but ${KEPT}; use binding "tapwire"`,
  ]);
  for (const accepted of [
    udn(primary, 'others'),
    udn({ ...primary, role: 'secondary' }),
    udn({ ...primary, topology: 'layer3' }),
  ])
    assert.equal(findingsOf(onPod('tapwire-pod-ip') + accepted), []);
  assert.equal(findingsOf(onPod('tapwire') + udn(primary)), []);
});

test('accepts the pod network of other clusters, and interfaces that KubeVirt wires', () => {
  assert.equal(findingsOf(onPod('tapwire-pod-ip')), []);
  const masquerade = vm({ interfaces: [{ name: 'default', masquerade: {} }] });
  assert.equal(findingsOf(masquerade + udn({ role: 'primary', subnets: '10.1.0.0/16' })), []);
});

test.run();
