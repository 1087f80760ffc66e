import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Binding, kindOfName } from '../../../../shared/bindings.ts';
import { encodeRecord, OPEN_PASSAGE } from '../../../../shared/record.ts';
import { kindOf, pinWarnings } from '../../../../sidecar/bindings/kind.ts';
import { caught } from '../../../helpers/caught.ts';
import { macvtapLink, tapLink, veth } from '../../../helpers/sidecar/vmi.ts';

const kind = suite('kindOf()');

const RECORD = encodeRecord({
  binding: 'tap',
  key: { containerId: 'c1', ifname: 'net1' },
  podLink: 'eth0',
  mtu: 1500,
  restore: { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
  told: [],
  passage: OPEN_PASSAGE,
});
const wired = (ifalias: string | null) => [veth('eth0'), { ...tapLink('tap0'), ifalias }];
const one = (binding: string) => ({
  name: 'default',
  binding,
  network: { primary: true, podIfname: null, cidr: null } as const,
});
const kindHere = (binding: string, image: Binding | null = null, ifalias: string | null = null) =>
  kindOf(one(binding), image, wired(ifalias));

for (const [name, want] of [
  ['tapwire', 'tap'],
  ['tapwire-mq', 'tap'],
  ['tapwire-pod-ip', 'tap'],
  ['tapwire-pod-ip-mq', 'tap'],
  ['tapwire-tap', 'tap'],
  ['tap', 'tap'],
  ['lan-tap-mq', 'tap'],
  ['passt', 'passt'],
  ['tapwire-passt', 'passt'],
  ['passt-nat', 'passt'],
  ['slirp', 'slirp'],
  ['tapwire-slirp', 'slirp'],
  ['macvtap', 'macvtap'],
  ['tapwire-macvtap', 'macvtap'],
  ['macvtap-tap', null],
  ['managedtap', null],
  ['mypasst', null],
  ['passt-slirp', null],
  ['Passt', null],
  ['tapwire2', null],
  ['constructor', null],
  ['', null],
] as const) {
  kind(`the name "${name}" on its own means ${want ?? 'nothing'}`, () => assert.is(kindOfName(name), want));
}

kind('the image takes precedence over link and name', () => {
  assert.is(kindHere('tapwire-passt', 'slirp', RECORD), 'slirp');
});

kind('the link that the CNI plugin wired takes precedence over the name', () => {
  assert.is(kindHere('nat', null, RECORD), 'tap');
  assert.is(kindHere('passt', null, RECORD), 'tap');
});

for (const [why, ifalias] of [
  ["another program's tap", 'lan'],
  ['a tap without an alias', null],
  ['the record of an unknown kind', RECORD.replace('=tap ', '=bridge ')],
  ['text that only resembles a record', `x${RECORD}`],
  ['a value that only resembles a kind', RECORD.replace('binding=tap', 'xbinding=tap')],
] as const) {
  kind(`${why} is ignored`, () => assert.is(kindHere('passt', null, ifalias), 'passt'));
}

kind('a record of another interface is ignored', () => {
  const red = { name: 'red', binding: 'passt', network: { primary: false, ordinal: 1 } as const };
  assert.is(kindOf(red, null, wired(RECORD)), 'passt');
});

kind('a tap of another program counts only if the name means no kind', () => {
  assert.is(kindHere('nat'), 'tap');
  assert.is(kindHere('tapwire-slirp'), 'slirp');
  const dummy = { ...veth('tap0'), kind: 'dummy' };
  assert.throws(
    () => kindOf(one('nat'), null, [veth('eth0'), dummy]),
    /the kind of binding "nat" is unknown/,
  );
});

const MACVTAP = macvtapLink('eth0');
const MACVTAP_RECORD = encodeRecord({
  binding: 'macvtap',
  key: { containerId: 'c1', ifname: 'eth0' },
  lowerDevice: 'uplink0',
  mode: 'bridge',
  mac: MACVTAP.mac,
  mtu: 1500,
  owner: 107,
  group: 107,
  allmulticast: true,
  promisc: false,
});

kind('a macvtap with a record takes precedence over the name', () => {
  const links = [{ ...MACVTAP, ifalias: MACVTAP_RECORD }];
  for (const name of ['nat', 'tapwire', 'tapwire-passt', 'tapwire-macvtap']) {
    assert.is(kindOf(one(name), null, links), 'macvtap', name);
  }
});

kind('a macvtap of another program counts only if the name means no kind', () => {
  assert.is(kindOf(one('nat'), null, [MACVTAP]), 'macvtap');
  assert.is(kindOf(one('tapwire'), null, [MACVTAP]), 'tap');
  assert.is(kindOf(one('slirp'), null, [MACVTAP]), 'slirp');
});

kind('a tap that is wired to a macvtap is what counts', () => {
  const links = [MACVTAP, { ...tapLink('tap0'), ifalias: RECORD }];
  assert.is(kindOf(one('nat'), null, links), 'tap');
});

kind('a pin against the record of a macvtap gives a warning', () => {
  const [warning = ''] = pinWarnings(one('lan'), 'passt', [{ ...MACVTAP, ifalias: MACVTAP_RECORD }]);
  assert.match(warning, 'of interface "default" is macvtap by the record on the interface\'s macvtap; ');
});

const ADVICE =
  "set the registration's sidecarImage to the image without a binding in its tag, which serves every binding";
for (const [why, binding, image, ifalias, want] of [
  ['no pin', 'nat', null, RECORD, null],
  ['a pin that agrees with the record', 'tapwire-passt', 'tap', RECORD, null],
  ['a pin that agrees with the name', 'tapwire-passt', 'passt', null, null],
  ['a pin for a name without a kind', 'nat', 'passt', null, null],
  ['a pin against the name', 'tapwire', 'passt', null, 'tap by its name'],
  ['a pin against the record', 'nat', 'slirp', RECORD, "tap by the record on the interface's tap"],
  [
    'a pin and a name against the record',
    'passt',
    'passt',
    RECORD,
    "tap by the record on the interface's tap",
  ],
] as const) {
  kind(`${why} gives ${want === null ? 'no' : 'a'} warning`, () => {
    const sentence = `the sidecar's image sets TAPWIRE_BINDING=${image}, but binding "${binding}" of interface "default" is ${want}; ${ADVICE}`;
    assert.equal(pinWarnings(one(binding), image, wired(ifalias)), want === null ? [] : [sentence]);
  });
}

kind('an error lists the choices if nothing tells the kind', async () => {
  const error = await caught(() => kindOf(one('nat'), null, [veth('eth0')]));
  assert.is(error.code, 'INVALID_VMI');
  assert.is(
    error.message,
    'Cannot bind interface "default": the kind of binding "nat" is unknown; register it under a name with the word tap, macvtap, passt or slirp, ' +
      `such as "lan-tap", or set TAPWIRE_BINDING in the sidecar's image`,
  );
});

kind.run();
