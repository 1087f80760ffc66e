import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findWarnings } from '../../../../../cni/bindings/tap/warnings.ts';
import { attachmentOf, BARE, ETH0, endsIn, LO, silenced } from '../../../../helpers/pod/seen.ts';

const test = suite('findWarnings()');

const QUIET = { ...BARE, nftables: silenced() };
const tap = (hasCarrier: boolean) => ({ ...QUIET, links: [LO, { ...ETH0, kind: 'tun', hasCarrier }] });

test('most pods have no warnings', () => {
  assert.equal(findWarnings(attachmentOf(), endsIn(QUIET)), []);
  assert.equal(findWarnings(attachmentOf(), endsIn(tap(true))), []);
  const unplugged = { ...QUIET, links: [LO, { ...ETH0, hasCarrier: false }] };
  assert.equal(findWarnings(attachmentOf(), endsIn(unplugged)), []);
});

test('a pod link that is a tap without a holder gives a warning', () => {
  assert.equal(findWarnings(attachmentOf(), endsIn(tap(false))), [
    'Pod link "eth0" is a tap that no process has open, so that no frame passes; check the plugin that creates it',
  ]);
});

test('a kernel without nf_tables gives a warning', () => {
  assert.equal(findWarnings(attachmentOf(), endsIn(BARE)), [
    'Cannot silence the pod\'s own stack on "eth0" and "tap0": Protocol not supported; until the guest is up, frames with ' +
      "the VM's MAC may come from the pod's own stack; check that the kernel has CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and " +
      'CONFIG_NF_TABLES_ARP',
  ]);
});

test.run();
