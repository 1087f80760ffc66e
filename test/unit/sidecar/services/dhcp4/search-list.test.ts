import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeSearchList } from '../../../../../sidecar/services/dhcp4/search-list.ts';

const test = suite('encodeSearchList()');

const encode = (...domains: string[]): string | undefined => encodeSearchList(domains)?.toString('latin1');

test('encodes one domain as its labels', () => {
  assert.is(encode('example.com'), '\x07example\x03com\0');
});

test('encodes the list of RFC 3397 section 3 with its pointers', () => {
  assert.is(encode('eng.apple.com', 'marketing.apple.com'), '\x03eng\x05apple\x03com\0\x09marketing\xc0\x04');
});

test('encodes a domain as a pointer alone if an earlier one ends in it', () => {
  assert.is(
    encode('vms.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com'),
    '\x03vms\x03svc\x07cluster\x05local\0\xc0\x04\xc0\x08\x07example\x03com\0',
  );
});

test('points to a label that is itself in front of a pointer', () => {
  assert.is(encode('a.b', 'c.b', 'd.c.b'), '\x01a\x01b\0\x01c\xc0\x02\x01d\xc0\x05');
});

test('points beyond the first 255 bytes, as the offset counts in the joined option', () => {
  const long = Array.from({ length: 5 }, (_, i) => `${String(i).repeat(60)}.x${i}`);
  const encoded = encodeSearchList([...long, 'y.x4']);
  assert.is(encoded?.subarray(-4).toString('latin1'), '\x01y\xc1\x41');
  assert.is(encoded?.toString('latin1', 0x141, 0x145), '\x02x4\0');
});

test('leaves out what is not a name, and keeps the rest', () => {
  const odd = ['', '.', 'a..b', `${'x'.repeat(64)}.com`, Array(130).fill('a').join('.')];
  assert.is(encode(...odd, 'ok'), '\x02ok\0');
  assert.is(encode(...odd), undefined);
});

test('accepts a number, other characters and a final dot', () => {
  assert.is(encode('10'), '\x0210\0');
  assert.is(encode('a b'), '\x03a b\0');
  assert.is(encode('_x.y.'), '\x02_x\x01y\0');
});

test('has each domain once', () => {
  assert.is(encode('a', 'b', 'a.', 'a'), '\x01a\0\x01b\0');
});

test('returns null for an empty list', () => {
  assert.is(encode(), undefined);
});

test('returns null for a list that is longer than any message', () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `${i}`.padStart(48, 'n'));
  assert.is(encodeSearchList(names(30))?.length, 1500);
  assert.is(encodeSearchList(names(31)), null);
  assert.is(encodeSearchList(names(100_000)), null);
});

test.run();
