import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { excerptOf } from '../../../../sidecar/vmi/excerpt.ts';
import { NETWORK_CONFIG_ANNOTATION, parseGuestOptions } from '../../../../sidecar/vmi/guest-options.ts';
import { vmiJson } from '../../../helpers/sidecar/vmi.ts';

const test = suite('the part of a VMI that is kept');

test('says the same to the guest services as the VMI', () => {
  const dhcpOptions = { ntpServers: ['192.0.2.1'], privateOptions: [{ option: 240, value: 'a' }] };
  const vmi = vmiJson({
    red: { dhcpOptions, macAddress: '02:00:00:00:00:11' },
    metadata: { annotations: { [NETWORK_CONFIG_ANNOTATION]: 'pod' } },
    spec: { subdomain: 'sub' },
  });
  const options = parseGuestOptions(vmi);
  assert.equal(options.interfaces.find(({ name }) => name === 'red')?.options.ntpServers, ['192.0.2.1']);
  assert.equal([options.subdomain, options.networkConfig], ['sub', 'pod']);
  assert.equal(parseGuestOptions(excerptOf(vmi)), options);
});

test('has no cloud-init data, and no other annotation', () => {
  const vmi = vmiJson();
  assert.match(vmi.toString(), 'SECRET');
  const excerpt = Buffer.from(excerptOf(vmi)).toString();
  assert.not.match(excerpt, /SECRET|volumes|last-applied/);
});

for (const text of ['null', '[]', '1', '{}', '{"spec":1}']) {
  test(`${text}: whatever the JSON is`, () => {
    assert.equal(parseGuestOptions(excerptOf(Buffer.from(text))).interfaces, []);
  });
}

test.run();
