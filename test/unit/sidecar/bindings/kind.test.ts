import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Binding, kindOfName } from '../../../../shared/bindings.ts';
import { encodeRecord } from '../../../../shared/record.ts';
import { kindOf, kindWarnings } from '../../../../sidecar/bindings/kind.ts';
import { caught } from '../../../helpers/caught.ts';
import { tapLink, veth } from '../../../helpers/sidecar/vmi.ts';

const kind = suite('kindOf()');

const RECORD = encodeRecord({
  binding: 'tap',
  key: { containerId: 'c1', ifname: 'net1' },
  podLink: 'eth0',
  mtu: 1500,
  restore: { clsact: true, allmulti: false, noQueue: false, down: false, silence: false },
  told: [],
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
  ['tapwire-tap', 'tap'],
  ['tap', 'tap'],
  ['lan-tap-mq', 'tap'],
  ['passt', 'passt'],
  ['tapwire-passt', 'passt'],
  ['passt-nat', 'passt'],
  ['slirp', 'slirp'],
  ['tapwire-slirp', 'slirp'],
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

kind("another program's tap means tap if the name contains no kind", () => {
  assert.is(kindHere('lan'), 'tap');
});

kind('an error lists the choices if nothing tells the kind', async () => {
  const error = await caught(() => kindOf(one('nat'), null, [veth('eth0')]));
  assert.is(error.code, 'INVALID_VMI');
  assert.is(
    error.message,
    'Cannot bind interface "default": the kind of binding "nat" is unknown; register it under a name with the word tap, passt or slirp, ' +
      `such as "lan-tap", or set TAPWIRE_BINDING in the sidecar's image`,
  );
});

for (const [why, binding, image, ifalias] of [
  ['for passt serves a tap of Tapwire', 'lan', 'passt', RECORD],
  ['for slirp serves a name that means tap', 'tapwire', 'slirp', null],
] as const) {
  kind(`warns of an image that ${why}`, () => {
    assert.equal(kindWarnings(one(binding), image, wired(ifalias)), [
      `the sidecar's image sets TAPWIRE_BINDING=${image}, but binding "${binding}" is tap; ` +
        'register it with the image that serves every binding',
    ]);
  });
}

for (const [why, binding, image, ifalias] of [
  ['serves every binding', 'tapwire-passt', null, RECORD],
  ['fits the name', 'tapwire-passt', 'passt', null],
  ['fits the tap', 'passt', 'tap', RECORD],
  ['serves a name without a kind', 'nat', 'slirp', null],
] as const) {
  kind(`does not warn of an image that ${why}`, () =>
    assert.equal(kindWarnings(one(binding), image, wired(ifalias)), []),
  );
}

kind.run();
