import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { linkChange } from '../../../../shared/rtnetlink/link-change.ts';
import { toBytes } from '../../../helpers/pod/filter-bytes.ts';

const test = suite('linkChange()');

test('a link that accepts local addresses gets both settings in one request', () => {
  const { type, flags, body } = linkChange(3, { set: 'accept_local' });
  assert.equal([type, flags], [19, 0]); // RTM_SETLINK
  assert.is(
    toBytes(body).toString('hex'),
    [
      '00000000030000000000000000000000', // ifinfomsg
      '1c001a80' + '18000280' + '14000180', // IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF
      '0800170001000000', // accept_local 1
      '0800080002000000', // rp_filter 2
    ].join(''),
  );
});

test.run();
