import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  callbacksService,
  decodeOnDefineDomainParams,
  decodePreCloudInitIsoParams,
  encodeInfoResult,
  encodeOnDefineDomainResult,
  encodePreCloudInitIsoResult,
  HOOK_METHODS,
} from '../../../../sidecar/hooks/hooks-api.ts';
import { caught } from '../../../helpers/caught.ts';
import { decodeMessage, encodeMessage } from '../../../helpers/sidecar/hook-api.ts';

const text = (value: unknown) => Buffer.from(value as Uint8Array).toString();

const info = suite('encodeInfoResult()');

info('announces OnDefineDomain and Shutdown, and all three versions', () => {
  assert.equal(decodeMessage('InfoResult', encodeInfoResult('tapwire', false)), {
    name: 'tapwire',
    hookPoints: [
      { name: 'OnDefineDomain', priority: 0 },
      { name: 'Shutdown', priority: 0 },
    ],
    versions: ['v1alpha3', 'v1alpha2', 'v1alpha1'],
  });
});

info('announces PreCloudInitIso on request', () => {
  const { hookPoints } = decodeMessage('InfoResult', encodeInfoResult('tapwire', true));
  assert.equal(hookPoints, [
    { name: 'OnDefineDomain', priority: 0 },
    { name: 'PreCloudInitIso', priority: 0 },
    { name: 'Shutdown', priority: 0 },
  ]);
});

info.run();

const methods = suite('HOOK_METHODS');

methods('HOOK_METHODS grow by one with each version', () => {
  assert.equal(HOOK_METHODS, {
    v1alpha1: ['OnDefineDomain'],
    v1alpha2: ['OnDefineDomain', 'PreCloudInitIso'],
    v1alpha3: ['OnDefineDomain', 'PreCloudInitIso', 'Shutdown'],
  });
  assert.is(callbacksService('v1alpha2'), 'kubevirt.hooks.v1alpha2.Callbacks');
});

methods.run();

const define = suite('OnDefineDomain messages');

define('params: domain and VMI, unknown fields skipped', () => {
  const known = encodeMessage('OnDefineDomainParams', {
    domainXML: Buffer.from('<a/>'),
    vmi: Buffer.from('{}'),
  });
  const params = decodeOnDefineDomainParams(
    Buffer.concat([Buffer.from('4a036e6577', 'hex'), known, Buffer.from('5001', 'hex')]),
  );
  assert.is(text(params.domainXml), '<a/>');
  assert.is(text(params.vmi), '{}');
});

define('params: fields that are absent are empty', () => {
  const params = decodeOnDefineDomainParams(Buffer.alloc(0));
  assert.equal([params.domainXml.length, params.vmi.length], [0, 0]);
});

define('result: any size', () => {
  for (const size of [0, 1, 127, 128, 20_000, 70_000]) {
    const domain = Buffer.alloc(size, 'é');
    const result = decodeMessage('OnDefineDomainResult', encodeOnDefineDomainResult(domain));
    assert.ok(domain.equals(Buffer.from(result['domainXML'] as Uint8Array)), `${size} bytes`);
  }
});

define.run();

const cloudInit = suite('PreCloudInitIso messages');

const echoed = (message: Uint8Array) => encodePreCloudInitIsoResult(decodePreCloudInitIsoParams(message));

cloudInit('result: both sources unchanged', () => {
  const params = {
    cloudInitNoCloudSource: Buffer.from('{"a":1}'),
    vmi: Buffer.from('{}'),
    cloudInitData: Buffer.from('{"b":"é"}'),
  };
  const result = decodeMessage(
    'PreCloudInitIsoResult',
    echoed(encodeMessage('PreCloudInitIsoParams', params)),
  );
  assert.is(text(result['cloudInitNoCloudSource']), '{"a":1}');
  assert.is(text(result['cloudInitData']), '{"b":"é"}');
});

cloudInit('result: an absent source stays absent', () => {
  const params = encodeMessage('PreCloudInitIsoParams', { vmi: Buffer.from('{}') });
  const result = decodeMessage('PreCloudInitIsoResult', echoed(params));
  assert.equal([text(result['cloudInitNoCloudSource']), text(result['cloudInitData'])], ['', '']);
});

for (const [why, source, reason] of [
  ['no JSON', Buffer.from('{"password": "SECRET'), 'it is not JSON in UTF-8'],
  ['no UTF-8', Buffer.from('"\xe9SECRET"', 'latin1'), 'it is not JSON in UTF-8'],
  ['a bomb', Buffer.from('['.repeat(1000)), 'it is nested more than 64 deep'],
] as const) {
  for (const name of ['cloudInitNoCloudSource', 'cloudInitData']) {
    cloudInit(`params: rejects ${name} that is ${why}, and does not quote it`, async () => {
      const error = await caught(() => echoed(encodeMessage('PreCloudInitIsoParams', { [name]: source })));
      assert.is(error.code, 'INVALID_REQUEST');
      assert.is(error.message, `Cannot read ${name}: ${reason}`);
    });
  }
}

cloudInit('params: rejects a VMI that is too large', async () => {
  const params = encodeMessage('PreCloudInitIsoParams', { vmi: Buffer.from('['.repeat(65)) });
  const error = await caught(() => decodePreCloudInitIsoParams(params));
  assert.equal(
    [error.code, error.message],
    ['INVALID_VMI', 'Cannot read the VMI: it is nested more than 64 deep'],
  );
});

cloudInit.run();
