import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRequest } from '../../../../shared/grpc/decode-request.ts';
import { InfoParams, MutateDomainRequest, OnDefineDomainParams } from '../../../../shared/grpc/hooks_pb.ts';
import { caught } from '../../../helpers/caught.ts';
import { encodeMessage } from '../../../helpers/sidecar/hook-api.ts';

const decode = suite('decodeRequest()');

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

decode('reads what protobufjs writes', () => {
  const request = encodeMessage('MutateDomainRequest', {
    domain_type: 'libvirt',
    domain: Buffer.from('<a/>'),
    vmi: Buffer.from('{}'),
    sidecar_context: { invocation_context: 'Boot' },
  });
  const { domainType, domain, vmi, sidecarContext } = decodeRequest(MutateDomainRequest, request);
  assert.equal(
    [domainType, text(domain), text(vmi), sidecarContext?.invocationContext],
    ['libvirt', '<a/>', '{}', 'Boot'],
  );
});

for (const [what, bytes] of [
  ['a varint', '18 96 01'],
  ['a negative int32, which takes ten bytes', '18 ff ff ff ff ff ff ff ff ff 01'],
  ['a fixed64', '19 0102030405060708'],
  ['a fixed32', '1d 01020304'],
  ['a group', '1b 0a 01 62 1c'],
  ['a field with the largest number', 'fa ff ff ff 0f 01 62'],
  ['a field of another wire type than it should have', '08 07'],
  ['a million fields', '1800'.repeat(1_000_000)],
] as const) {
  decode(`skips ${what}`, () => {
    const { domainXml, vmi } = decodeRequest(OnDefineDomainParams, hex(`${bytes} 12 01 61`));
    assert.equal([text(domainXml), text(vmi)], ['', 'a']);
  });
}

decode('takes the last value of a field that comes twice', () => {
  assert.is(text(decodeRequest(OnDefineDomainParams, hex('0a 01 61 0a 01 62')).domainXml), 'b');
});

decode('gives bytes as views into the message', () => {
  const message = hex('0a 01 61');
  assert.is(decodeRequest(OnDefineDomainParams, message).domainXml.buffer, message.buffer);
});

for (const [why, bytes, reason] of [
  ['a tag without a value', '18', 'premature EOF'],
  ['an unfinished varint', '18 80', 'premature EOF'],
  ['a length beyond the end', '0a 05 61', 'premature EOF'],
  ['a length of 2^63 - 1', '0a ff ff ff ff ff ff ff ff 7f', 'premature EOF'],
  ['a short fixed64', '19 01', 'premature EOF'],
  ['a short fixed32', '1d 01', 'premature EOF'],
  ['an endless tag', 'ff'.repeat(12), 'invalid varint'],
  ['a group without an end', '1b', 'premature EOF'],
  ['groups that are nested deep', '1b'.repeat(1_000_000), 'maximum recursion depth reached'],
  ['wire type 7', '0f', 'cant skip wire type 7'],
  ['a tag of 0', '0a 01 61 00 12 01 61', 'no field starts at byte 3'],
  ['the end of a group that has no start', '0c 12 01 61', 'no field starts at byte 0'],
] as const) {
  decode(`rejects ${why}`, async () => {
    for (const type of [OnDefineDomainParams, InfoParams]) {
      const error = await caught(() => decodeRequest<object>(type, hex(bytes)));
      assert.is(error.code, 'INVALID_REQUEST');
      assert.is(error.message, `Cannot read hook request: ${reason}`);
    }
  });
}

decode('rejects a message that is cut within a field, at any byte', async () => {
  const whole = encodeMessage('OnDefineDomainParams', { domainXML: Buffer.alloc(300), vmi: Buffer.alloc(5) });
  for (let length = 1; length < whole.length; length++) {
    if (length === 303) continue; // between the fields
    const error = await caught(() => decodeRequest(OnDefineDomainParams, whole.subarray(0, length)));
    assert.is(error.code, 'INVALID_REQUEST', `${length} bytes`);
  }
});

decode.run();
