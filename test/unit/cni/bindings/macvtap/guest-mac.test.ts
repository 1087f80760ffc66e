import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { macOf } from '../../../../../cni/bindings/macvtap/guest-mac.ts';
import { parseRequest } from '../../../../../cni/request/request.ts';
import { KEY, macvtapConf } from '../../../../helpers/pod/seen.ts';

const test = suite('macOf()');

const derive = (name: string | null, namespace: string | null = 'vms', key = KEY): string =>
  macOf(macvtapConf(), { namespace, name }, key);
const VM = 'virt-launcher-vm1-abcde';

/** The MAC that ADD gives a pod of this call. */
function macBy(conf: Readonly<Record<string, unknown>>, macArgs = ''): string {
  const env = {
    ...{ CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'pod1', CNI_NETNS: '/run/netns/x', CNI_IFNAME: 'net1' },
    ...{ CNI_PATH: '/opt/cni/bin', CNI_ARGS: `K8S_POD_NAMESPACE=vms;K8S_POD_NAME=${VM}${macArgs}` },
  };
  const stdin = { cniVersion: '1.0.0', name: 'vm-lan', binding: 'macvtap', ...conf };
  const request = parseRequest(env, () => Buffer.from(JSON.stringify(stdin)));
  if (request.command !== 'ADD' || request.conf.binding !== 'macvtap')
    throw new Error('not an ADD of macvtap');
  return macOf(request.conf, request.pod, request.key);
}

const [FIRST, SECOND, THIRD, FOURTH] = [1, 2, 3, 4].map((nth) => `02:00:00:00:00:0${nth}`);
const byCapability = { runtimeConfig: { mac: FIRST } };
const byCniArgs = { args: { cni: { mac: SECOND } } };
const byNad = { mac: FOURTH };
for (const [why, conf, args, want] of [
  ['runtimeConfig comes first', { ...byCapability, ...byCniArgs, ...byNad }, `;MAC=${THIRD}`, FIRST],
  ['then args.cni', { ...byCniArgs, ...byNad }, `;MAC=${THIRD}`, SECOND],
  ['then CNI_ARGS', byNad, `;MAC=${THIRD}`, THIRD],
  ['then the NAD', byNad, '', FOURTH],
  ['else it is derived', {}, '', derive(VM)],
  [
    'an empty one does not count',
    { runtimeConfig: { mac: '' }, args: { cni: { mac: '' } }, mac: '' },
    ';MAC=',
    derive(VM),
  ],
] as const) {
  test(why, () => assert.is(macBy(conf, args), want));
}

test('a derived MAC never changes: a VM keeps it in a later version', () => {
  assert.is(derive(VM), '02:f8:e0:f0:72:44');
  assert.is(derive(null), '02:db:3b:ff:dc:30');
});

const LONG = `virt-launcher-${'v'.repeat(44)}`;
for (const [why, source, target] of [
  ['a VM', VM, 'virt-launcher-vm1-x7k2p'],
  ['a VM whose name contains hyphens', 'virt-launcher-my-vm-01-abcde', 'virt-launcher-my-vm-01-fghij'],
  ['a VM whose name is just short enough', `${LONG.slice(0, -1)}-abcde`, `${LONG.slice(0, -1)}-fghij`],
  ['a VM whose name Kubernetes cuts', `${LONG}abcde`, `${LONG}fghij`],
] as const) {
  test(`both pods of a migration have the same MAC: ${why}`, () => {
    assert.is(derive(source), derive(target));
    assert.is(derive(source, 'vms', { ...KEY, containerId: 'another' }), derive(target));
  });
}

for (const [why, one, other] of [
  ['VM', derive(VM), derive('virt-launcher-vm2-abcde')],
  ['VM whose name another begins with', derive(VM), derive('virt-launcher-vm1-abcde-abcde')],
  ['namespace', derive(VM), derive(VM, 'other')],
  ['namespace and VM that together read the same', derive('bc', 'a'), derive('c', 'ab')],
  ['network', derive(VM), derive(VM, 'vms', { ...KEY, ifname: 'net2' })],
  ['pod of a Deployment', derive('web-7d9f8b6c5-abcde'), derive('web-7d9f8b6c5-fghij')],
  ['pod with a long name', derive(`${'w'.repeat(58)}abcde`), derive(`${'w'.repeat(58)}fghij`)],
  ['container without a pod', derive(null), derive(null, 'vms', { ...KEY, containerId: 'pod2' })],
] as const) {
  test(`each ${why} has a MAC of its own`, () => assert.is.not(one, other));
}

test('a derived MAC is a locally administered unicast address', () => {
  for (let i = 0; i < 1000; i++) {
    const mac = derive(`virt-launcher-vm${i}-abcde`);
    assert.match(mac, /^02(:[0-9a-f]{2}){5}$/);
  }
});

test.run();
