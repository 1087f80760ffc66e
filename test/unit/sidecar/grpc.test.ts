import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeDetails, frameMessage, parseTimeout, readMessage, status } from '../../../sidecar/grpc.ts';

const frame = suite('frameMessage()');

frame('puts a flag and the length in four bytes before the message', () => {
  assert.is(frameMessage(Buffer.from('ab')).toString('hex'), '00000000026162');
  assert.is(frameMessage(Buffer.alloc(0)).toString('hex'), '0000000000');
  assert.is(frameMessage(Buffer.alloc(70_000)).subarray(0, 5).toString('hex'), '0000011170');
});

frame.run();

const read = suite('readMessage()');

const admitAll = () => null;

/** What comes of bytes that arrive in pieces of that size: a failure on the way, or the end's. */
function readIn(pieces: number, bytes: Buffer, admit: Parameters<typeof readMessage>[0] = admitAll) {
  const reader = readMessage(admit);
  for (let at = 0; at < bytes.length; at += pieces) {
    const failure = reader.read(bytes.subarray(at, at + pieces));
    if (failure !== null) return failure;
  }
  const message = reader.end();
  return message instanceof Uint8Array ? Buffer.from(message).toString() : message;
}

for (const pieces of [1, 2, 4, 5, 6, 1000]) {
  read(`a message in pieces of ${pieces} bytes`, () => {
    assert.is(readIn(pieces, frameMessage(Buffer.from('a message'))), 'a message');
    assert.is(readIn(pieces, frameMessage(Buffer.alloc(0))), '');
  });
}

for (const [why, bytes, code, details] of [
  ['nothing', '', status.UNIMPLEMENTED, 'Cannot read the request: want one message, got no message'],
  ['half a prefix', '0000', status.INTERNAL, 'Cannot read the request: it ends after 2 bytes'],
  [
    'less than the prefix says',
    '000000000261',
    status.INTERNAL,
    'Cannot read the request: it ends after 6 bytes',
  ],
  [
    'a second message',
    '00000000000000000000',
    status.UNIMPLEMENTED,
    'Cannot read the request: want one message, got more than one message',
  ],
  ['a compressed message', '01000000026162', status.INTERNAL, 'Cannot read the request: it is compressed'],
  [
    'more than 4 MiB',
    '0000400001',
    status.RESOURCE_EXHAUSTED,
    'Cannot read the request: it has 4194305 bytes, more than 4194304',
  ],
] as const) {
  read(`refuses ${why}`, () => {
    for (const pieces of [1, 3, 1000]) {
      assert.equal(readIn(pieces, Buffer.from(bytes, 'hex')), { code, details });
    }
  });
}

read('asks once whether there is room, with the length, and takes none that is refused', () => {
  const asked: number[] = [];
  const refusal = { code: status.RESOURCE_EXHAUSTED, details: 'full' };
  const admit = (length: number) => {
    asked.push(length);
    return refusal;
  };
  assert.equal(readIn(5, frameMessage(Buffer.alloc(300)), admit), refusal);
  assert.equal(asked, [300]);
});

read.run();

const timeout = suite('parseTimeout()');

for (const [header, want] of [
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['60S', 60_000],
  ['250m', 250],
  ['1000u', 1],
  ['500000n', 0.5],
  ['99999999S', 99_999_999_000],
  ['0m', 0],
  ['', undefined],
  ['1', undefined],
  ['S', undefined],
  ['-1S', undefined],
  ['1.5S', undefined],
  ['123456789m', undefined],
  ['1S, 2S', undefined],
  ['1s', undefined],
] as const) {
  timeout(`${JSON.stringify(header)} is ${want} ms`, () => {
    const got = parseTimeout(header);
    assert.ok(want === undefined || got === undefined ? got === want : Math.abs(got - want) < 1e-9);
  });
}

timeout.run();

const encode = suite('encodeDetails()');

for (const [details, want] of [
  ['Cannot bind interface "red": ~', 'Cannot bind interface "red": ~'],
  ['100%', '100%25'],
  ['é🧭', '%C3%A9%F0%9F%A7%AD'],
  ['\r\n\0\x7f', '%0D%0A%00%7F'],
  ['\ud800', '%EF%BF%BD'],
] as const) {
  encode(JSON.stringify(details), () => assert.is(encodeDetails(details), want));
}

encode.run();
