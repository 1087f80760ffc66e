import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { linkResult, toErrorResult, versionResult } from '../../../cni/result.ts';
import { BindingError } from '../../../shared/errors.ts';
import { ETH0 } from '../../helpers/pod/seen.ts';

const test = suite('result');

const ADDRESSES = [
  {
    ifindex: 2,
    family: 'inet',
    local: '192.0.2.10',
    prefixLength: 24,
    scope: 'global',
    isTentative: false,
    isPermanent: true,
  },
  {
    ifindex: 2,
    family: 'inet6',
    local: '2001:db8::10',
    prefixLength: 64,
    scope: 'global',
    isTentative: false,
    isPermanent: true,
  },
  {
    ifindex: 2,
    family: 'inet6',
    local: 'fe80::1',
    prefixLength: 64,
    scope: 'link',
    isTentative: false,
    isPermanent: true,
  },
  {
    ifindex: 1,
    family: 'inet',
    local: '127.0.0.1',
    prefixLength: 8,
    scope: 'host',
    isTentative: false,
    isPermanent: true,
  },
] as const;
const INTERFACE = { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/x' };

for (const version of ['0.3.0', '0.3.1', '0.4.0'] as const) {
  test(`linkResult() [${version}] has each address's family and no mtu`, () => {
    assert.equal(linkResult(version, '/run/netns/x', ETH0, ADDRESSES), {
      cniVersion: version,
      interfaces: [INTERFACE],
      ips: [
        { version: '4', interface: 0, address: '192.0.2.10/24' },
        { version: '6', interface: 0, address: '2001:db8::10/64' },
      ],
      dns: {},
    });
  });
}

for (const version of ['1.0.0', '1.1.0'] as const) {
  test(`linkResult() [${version}] has the link's mtu and its addresses`, () => {
    assert.equal(linkResult(version, '/run/netns/x', ETH0, ADDRESSES), {
      cniVersion: version,
      interfaces: [{ ...INTERFACE, mtu: 1500 }],
      ips: [
        { interface: 0, address: '192.0.2.10/24' },
        { interface: 0, address: '2001:db8::10/64' },
      ],
    });
  });
}

test('linkResult() omits ips if there are none', () => {
  assert.is('ips' in linkResult('1.0.0', '/run/netns/x', ETH0, []), false);
});

test('versionResult() names the newest version and all supported ones', () => {
  assert.equal(versionResult(), {
    cniVersion: '1.1.0',
    supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
  });
});

test('toErrorResult() has the number of the specification', () => {
  const error = new BindingError('INVALID_CONFIG', 'Cannot read $.mtu: …', { details: 'evidence' });
  assert.equal(toErrorResult(error, '0.4.0'), {
    cniVersion: '0.4.0',
    code: 7,
    msg: 'Cannot read $.mtu: …',
    details: 'evidence',
  });
  assert.equal(toErrorResult(new BindingError('LINK_EXISTS', 'x'), '1.0.0'), {
    cniVersion: '1.0.0',
    code: 101,
    msg: 'x',
  });
});

test('toErrorResult() gives a bug code 999 and its place in the code', () => {
  const { code, msg, details } = toErrorResult(new TypeError('x is not a function'), '1.0.0');
  assert.equal([code, msg], [999, 'x is not a function']);
  assert.match(details ?? '', /result\.test\.ts:\d+/);
  assert.equal(toErrorResult('thrown text', '1.0.0'), { cniVersion: '1.0.0', code: 999, msg: 'thrown text' });
});

test.run();
