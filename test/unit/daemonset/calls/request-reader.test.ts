import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RequestReader } from '../../../../daemonset/calls/request-reader.ts';
import { frame } from '../../../helpers/agent/sender.ts';

const test = suite('the reader of a request');

/** Gives the reader these bytes in pieces of at most `size`; returns what it said to each. */
function readIn(size: number, bytes: Buffer): readonly unknown[] {
  const reader = new RequestReader();
  const said: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [buffer, offset] = reader.room;
    const received = bytes.copy(buffer, offset, at, Math.min(at + size, bytes.length));
    said.push(reader.take(received));
    at += received;
  }
  return said;
}

const stdin = Buffer.alloc(10_000, 'x');
const request = frame(['CNI_COMMAND=ADD', 'HOME=/root'], stdin);

test('a request is complete with its last byte, in pieces of any size', () => {
  for (const size of [1, 15, 16, 17, 4096, 20_000]) {
    const said = readIn(size, request);
    const whole = said.at(-1) as { env: object; stdin: Buffer };
    assert.equal(
      said.slice(0, -1).every((one) => one === 'more'),
      true,
      `${size}`,
    );
    assert.equal([{ ...whole.env }, whole.stdin], [{ CNI_COMMAND: 'ADD' }, stdin]);
  }
});

test('a byte after the request, and a length that no shim sends, are invalid', () => {
  const small = frame(['CNI_COMMAND=VERSION'], 'x');
  assert.equal(readIn(4096, Buffer.concat([small, Buffer.of(0)])), ['invalid']);
  assert.equal(readIn(4096, frame([], '', [0xffffffff])), ['invalid']);
});

test.run();
