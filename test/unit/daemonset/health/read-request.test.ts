import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_HEAD, readRequest } from '../../../../daemonset/health/read-request.ts';

const test = suite('readRequest()');

const get = (path: string, ...headers: readonly string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n');
const read = (text: string) => readRequest(Buffer.from(text, 'latin1'));
const HEALTHZ = { method: 'GET', path: '/healthz' };

test('returns method and path of a request with any headers', () => {
  assert.equal(read(get('/healthz')), HEALTHZ);
  assert.equal(read(get('/healthz', 'Connection: keep-alive', 'X: \xff')), HEALTHZ);
  assert.equal(read('GET /healthz HTTP/1.0\r\n\r\n'), HEALTHZ);
  assert.equal(read(get('/healthz?a=b?c')), HEALTHZ);
  assert.equal(read('POST / HTTP/1.1\r\n\r\n'), { method: 'POST', path: '/' });
});

test('ignores what follows the headers: a body, other requests, and any number of them', () => {
  assert.equal(read(`${get('/healthz', 'Content-Length: 1')}x`), HEALTHZ);
  assert.equal(read(get('/healthz') + get('/metrics')), HEALTHZ);
  assert.equal(read(get('/healthz').repeat(100_000)), HEALTHZ);
});

test('every beginning of a request is incomplete', () => {
  const whole = get('/healthz');
  for (let length = 0; length < whole.length; length++)
    assert.is(read(whole.slice(0, length)), 'incomplete', `${length} bytes`);
});

test('headers may have as many bytes as the limit, and not one more', () => {
  const filled = (length: number) =>
    get('/healthz', `X: ${'x'.repeat(length - get('/healthz', 'X: ').length)}`);
  assert.equal(read(filled(MAX_HEAD)), HEALTHZ);
  assert.is(read(filled(MAX_HEAD + 1)), 'too long');
  assert.is(read('x'.repeat(MAX_HEAD - 1)), 'incomplete');
  assert.is(read('x'.repeat(MAX_HEAD)), 'too long');
});

for (const [what, text] of [
  ['nothing before the empty line', '\r\n\r\n'],
  ["HTTP/2's preface", 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/0.9', 'GET /healthz\r\n\r\n'],
  ['a method in lower case', 'get / HTTP/1.1\r\n\r\n'],
  ['a path with a space', 'GET / healthz HTTP/1.1\r\n\r\n'],
  ['an empty line first', `\r\n${get('/healthz')}`],
  ['a NUL first', `\0${get('/healthz')}`],
] as const) {
  test(`${what} is not a request`, () => {
    assert.is(read(text), 'invalid');
  });
}

test.run();
