import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Link } from '../../../../shared/rtnetlink/link.ts';
import type { Bound } from '../../../../sidecar/bindings/binding.ts';
import { bindMacvtap } from '../../../../sidecar/bindings/macvtap.ts';
import { parseVmi } from '../../../../sidecar/vmi/vmi.ts';
import { write } from '../../../../sidecar/xml/markup.ts';
import { parseXml } from '../../../../sidecar/xml/xml.ts';
import { caught } from '../../../helpers/caught.ts';
import { macvtapLink, tapLink, type VmiParts, veth, vmiJson } from '../../../helpers/sidecar/vmi.ts';

const macvtap = suite('macvtap');

/** The pod link of the secondary network `red`. */
const RED = 'podb1f51a511f1';

interface Given {
  readonly vmi?: VmiParts;
  readonly links?: readonly Link[];
  /** Children of the existing interface; undefined if there is none. */
  readonly current?: string;
}

function bound({ vmi: parts, links = [macvtapLink(RED, { mtu: 9000 })] }: Given): Bound {
  const vmi = parseVmi(vmiJson({ red: { binding: { name: 'tapwire-macvtap' } }, ...parts }), [
    'tapwire-macvtap',
  ]);
  const [one] = vmi.interfaces;
  if (one === undefined) throw new Error('No interface of ours');
  return bindMacvtap(vmi, one, { links, searchDomains: [], passtBackend: 'vhost-user' });
}

function rendered(given: Given): string {
  const { current } = given;
  const { text, root } = parseXml(Buffer.from(`<interface type="ethernet">${current ?? ''}</interface>`));
  return write(bound(given).render(current === undefined ? undefined : root), null, text);
}

/** The elements of this name. */
const only = (name: string, given: Given) =>
  rendered(given).match(new RegExp(`<${name}[ >].*?</${name}>`, 'g')) ?? [];

/** The interface that virt-launcher makes by itself for domainAttachmentType "tap". */
const VIRT_LAUNCHERS =
  `<interface type="ethernet"><target dev="${RED}" managed="no"></target><model type="virtio-non-transitional"></model>` +
  '<mac address="02:00:00:00:00:11"></mac><mtu size="9000"></mtu><alias name="ua-red"></alias><rom enabled="no"></rom></interface>';

macvtap("the interface equals virt-launcher's for a tap attachment", () => {
  assert.is(rendered({}), VIRT_LAUNCHERS);
});

macvtap("virt-launcher's own interface stays as it is", () => {
  const [, children = ''] = /^<interface type="ethernet">(.*)<.interface>$/.exec(VIRT_LAUNCHERS) ?? [];
  assert.is(rendered({ current: `<source></source>${children}` }), VIRT_LAUNCHERS);
});

const red = (more: object) => ({ red: { binding: { name: 'tapwire-macvtap' }, ...more } });

macvtap('the MAC is that of the VMI, or else of the link', () => {
  assert.equal(only('mac', {}), ['<mac address="02:00:00:00:00:11"></mac>']);
  const vmi = red({ macAddress: '02-00-00-00-00-22' });
  assert.equal(only('mac', { vmi }), ['<mac address="02:00:00:00:00:22"></mac>']);
});

macvtap('warns of a MAC whose frames the macvtap drops', () => {
  assert.equal(bound({}).warnings, []);
  assert.equal(bound({ vmi: red({ macAddress: '02:00:00:00:00:22' }) }).warnings, [
    `Interface "red": pod link "${RED}" (macvtap) has MAC address 02:00:00:00:00:11 and may drop frames to the guest's 02:00:00:00:00:22; ` +
      "let the network's CNI plugin set this address, or remove macAddress from the VMI",
  ]);
});

const MQ = { networkInterfaceMultiqueue: true };
for (const [why, vmi, current, want] of [
  ['no driver without multiqueue', {}, undefined, []],
  [
    'a queue for each vCPU',
    { domain: { cpu: { cores: 4 } }, devices: MQ },
    undefined,
    ['<driver name="vhost" queues="4"></driver>'],
  ],
  [
    'one queue for one vCPU',
    { domain: { cpu: { cores: 1 } }, devices: MQ },
    undefined,
    ['<driver name="vhost" queues="1"></driver>'],
  ],
  ['no queues for another model', { ...red({ model: 'e1000e' }), devices: MQ }, undefined, []],
  [
    'queues in place of others, with the other attributes',
    { domain: { cpu: { cores: 2 } }, devices: MQ },
    '<driver name="" queues="9" ats="on"/>',
    ['<driver name="vhost" queues="2" ats="on"></driver>'],
  ],
] as const) {
  macvtap(`driver: ${why}`, () => {
    assert.equal(only('driver', { vmi, ...(current === undefined ? {} : { current }) }), want);
  });
}

for (const [why, links, code, reason] of [
  ['no pod link', [veth('eth0')], 'LINK_MISSING', /the pod has no link "podb1f51a511f1"/],
  [
    'a veth',
    [veth(RED)],
    'LINK_UNSUPPORTED',
    /"podb1f51a511f1" is not a macvtap but of kind veth; let the VM's network name a NAD of type tapwire with "binding": "macvtap"/,
  ],
  ['a tap', [tapLink(RED)], 'LINK_UNSUPPORTED', /is not a macvtap but a tap;/],
] as const) {
  macvtap(`rejects ${why} in the place of the macvtap`, async () => {
    const error = await caught(() => bound({ links }));
    assert.is(error.code, code);
    assert.match(error.message, reason);
  });
}

macvtap.run();
