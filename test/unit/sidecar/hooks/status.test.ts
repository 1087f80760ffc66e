import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BindingError } from '../../../../shared/errors.ts';
import { status } from '../../../../shared/grpc/status.ts';
import { toStatus } from '../../../../sidecar/hooks/status.ts';

const to = suite('toStatus()');

for (const [code, want] of [
  ['INVALID_VMI', status.INVALID_ARGUMENT],
  ['INVALID_DOMAIN', status.INVALID_ARGUMENT],
  ['LINK_MISSING', status.FAILED_PRECONDITION],
  ['LINK_UNSUPPORTED', status.FAILED_PRECONDITION],
  ['KERNEL_REFUSED', status.INTERNAL],
  ['INTERNAL', status.INTERNAL],
] as const) {
  to(`${code} becomes ${want}`, () => {
    const error = new BindingError(code, 'Cannot bind', { details: 'links seen: lo' });
    assert.equal(toStatus(error), { code: want, details: 'Cannot bind (links seen: lo)' });
  });
}

for (const [why, error, details] of [
  ['an error with a numeric code', Object.assign(new Error('seven'), { code: 7 }), 'Internal error: seven'],
  [
    'a system error',
    Object.assign(new Error('EACCES: no'), { code: 'EACCES', errno: -13 }),
    'Internal error: EACCES: no',
  ],
  ['an object with code and details', { code: 5, details: 'mine' }, 'Internal error: [object Object]'],
  ['a string', 'oops', 'Internal error: oops'],
  ['nothing', undefined, 'Internal error: undefined'],
] as const) {
  to(`${why} is INTERNAL`, () => assert.equal(toStatus(error), { code: status.INTERNAL, details }));
}

to('the text is bounded and can be sent in a header', () => {
  for (const text of ['\ud800', `${'x'.repeat(1488)}🧭`.repeat(3), '\n%é\0'.repeat(5000)]) {
    const { details } = toStatus(new BindingError('INVALID_VMI', `Cannot read ${text}`));
    assert.ok(details.length <= 1500);
    assert.ok(encodeURI(details).length <= 1500 * 9); // as grpc-js does; it throws for half a surrogate pair
  }
});

to.run();
