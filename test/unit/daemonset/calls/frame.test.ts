import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeCall,
  decodeHeader,
  encodeReply,
  HELLO,
  type Header,
  requestLength,
} from '../../../../daemonset/calls/frame.ts';
import { parseRequest, reply, HELLO as SHIMS_HELLO } from '../../../helpers/plugin/shim.ts';

const test = suite('frames');

const MIB = 1024 * 1024;

/** A header as cni/shim/exchange.c sends it. */
function header(environment: number, stdin: number, netnsErrno = 0, stdinErrno = 0): Buffer {
  const bytes = Buffer.alloc(16);
  for (const [i, number] of [environment, stdin, netnsErrno, stdinErrno].entries())
    bytes.writeUInt32LE(number, 4 * i);
  return bytes;
}

function request(variables: readonly string[], stdin: string, ...errnos: readonly number[]): Buffer {
  const environment = Buffer.from(variables.map((variable) => `${variable}\0`).join(''));
  const [netnsErrno, stdinErrno] = errnos;
  const start = header(environment.length, Buffer.byteLength(stdin), netnsErrno, stdinErrno);
  return Buffer.concat([start, environment, Buffer.from(stdin)]);
}

function wholeHeader(bytes: Buffer): Header {
  const decoded = decodeHeader(bytes);
  if (typeof decoded === 'string') throw new Error(decoded);
  return decoded;
}

function decode(bytes: Buffer) {
  const decoded = wholeHeader(bytes);
  assert.is(requestLength(decoded), bytes.length);
  const { env, ...rest } = decodeCall(decoded, bytes);
  return { env: { ...env }, ...rest };
}

test('HELLO is the hello that the shim expects', () => assert.is(HELLO.toString(), SHIMS_HELLO));

test('a header is decoded once its 16 bytes have arrived', () => {
  const bytes = header(7, 300, 2, 5);
  const want = { environmentBytes: 7, stdinBytes: 300, netnsErrno: 2, stdinErrno: 5 };
  for (let length = 0; length < 16; length++)
    assert.is(decodeHeader(bytes.subarray(0, length)), 'incomplete');
  assert.equal(decodeHeader(bytes), want);
  assert.equal(decodeHeader(Buffer.concat([bytes, Buffer.from('CNI_')])), want);
  assert.is(requestLength(want), 16 + 7 + 300);
});

for (const [why, environment, stdin, isRequest] of [
  ['nothing at all', 0, 0, true],
  ['the maximum, and the byte that shows that there is more', MIB, MIB + 1, true],
  ['a larger environment', MIB + 1, 0, false],
  ['a larger stdin', 0, MIB + 2, false],
  ['lengths that would be negative', 0xffffffff, 0xffffffff, false],
] as const) {
  test(`a header that announces ${why} is ${isRequest ? 'accepted' : 'rejected'}`, () =>
    assert.is(decodeHeader(header(environment, stdin)) !== 'invalid', isRequest));
}

test("a request contains CNI's variables, stdin, and the errors of opening and reading", () => {
  const bytes = request(['CNI_COMMAND=ADD', 'CNI_ARGS=a=b;c=ä', 'CNI_PATH='], '{"name":"ä"}', 2, 21);
  assert.equal(decode(bytes), {
    env: { CNI_COMMAND: 'ADD', CNI_ARGS: 'a=b;c=ä', CNI_PATH: '' },
    stdin: Buffer.from('{"name":"ä"}'),
    netnsErrno: 2,
    stdinErrno: 21,
  });
});

test("the shim tests' own parser reads the same request", () => {
  const parsed = parseRequest(request(['CNI_COMMAND=DEL', 'CNI_PATH=/x'], '{}', 2));
  assert.equal(parsed, {
    netnsErrno: 2,
    inputErrno: 0,
    environment: ['CNI_COMMAND=DEL', 'CNI_PATH=/x'],
    input: Buffer.from('{}'),
  });
});

test("variables that are not CNI's are left out, and names that every object inherits are kept", () => {
  const { env } = decode(
    request(['PATH=/x', 'CNI_COMMAND', '=x', '', 'CNI_=y', 'NODE_OPTIONS=CNI_A=b', '__proto__=x'], ''),
  );
  assert.equal(env, { CNI_: 'y' });
  const header = wholeHeader(request([], ''));
  assert.is(Object.getPrototypeOf(decodeCall(header, request([], '')).env), null);
});

for (const [status, out, err] of [
  [0, '', ''],
  [0, '{"cniVersion":"1.0.0"}\n', ''],
  [1, '{"msg":"ä"}\n', '{"level":"error"}\n'],
] as const) {
  test(`encodes a reply of status ${status} with ${out.length} and ${err.length} characters`, () => {
    const lengths = [Buffer.byteLength(out), Buffer.byteLength(err)] as const;
    assert.equal(encodeReply(status, out, err), reply(out, status, err, lengths));
  });
}

test.run();
