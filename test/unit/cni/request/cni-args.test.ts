import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCniArgs } from '../../../../cni/request/cni-args.ts';
import { caught } from '../../../helpers/caught.ts';

const test = suite('parseCniArgs()');

/**
 * CNI_ARGS of Multus 4.3 thin under containerd 2.1: its own pairs, then the container runtime's, in
 * random order.
 */
const THIN =
  'IgnoreUnknown=true;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=rec-primary;K8S_POD_INFRA_CONTAINER_ID=35fd;K8S_POD_UID=925a;' +
  'K8S_POD_INFRA_CONTAINER_ID=35fd;K8S_POD_UID=925a;IgnoreUnknown=1;K8S_POD_NAMESPACE=vms;K8S_POD_NAME=rec-primary';
const POD = 'K8S_POD_NAMESPACE=vms;K8S_POD_NAME=vm;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1';

const podOf = (name: string) => ({ namespace: 'vms', name });
const NO_POD = { namespace: null, name: null };

for (const [text, want] of [
  ['', { pod: NO_POD, mac: null }],
  [POD, { pod: podOf('vm'), mac: null }],
  [
    `IgnoreUnknown=true;${POD};MAC=02:00:00:00:00:0A;IP=10.0.0.1,2001:db8::1/64`,
    { pod: podOf('vm'), mac: '02:00:00:00:00:0a' },
  ],
  [THIN, { pod: podOf('rec-primary'), mac: null }],
  [`${THIN};MAC=02:00:00:00:00:07`, { pod: podOf('rec-primary'), mac: '02:00:00:00:00:07' }],
  ['MAC=02:00:00:00:00:01;MAC=02:00:00:00:00:02', { pod: NO_POD, mac: '02:00:00:00:00:02' }],
  ['MAC=02-00-00-00-00-0A', { pod: NO_POD, mac: '02:00:00:00:00:0a' }],
  ['MAC=0200.0000.000a', { pod: NO_POD, mac: '02:00:00:00:00:0a' }],
  ['MAC=', { pod: NO_POD, mac: null }],
  ['K8S_POD_UID=1;K8S_POD_UID=2', { pod: NO_POD, mac: null }],
  ['SOMEBODY=else;IgnoreUnknown=0;IgnoreUnknown=true', { pod: NO_POD, mac: null }],
  ['IgnoreUnknown=1;SOMEBODY=else', { pod: NO_POD, mac: null }],
  ['IgnoreUnknown=TRUE;K8S_POD_INFRA_CONTAINER_ID=;K8S_POD_NAMESPACE=', { pod: NO_POD, mac: null }],
] as const) {
  test(`reads "${text}"`, () => {
    assert.equal(parseCniArgs(text), want);
  });
}

for (const [text, message] of [
  ['K8S_POD_NAME', 'ARGS: invalid pair "K8S_POD_NAME"'],
  ['A=b=c;IgnoreUnknown=1', 'ARGS: invalid pair "A=b=c"'],
  ['K8S_POD_NAME=a;', 'ARGS: invalid pair ""'],
  ['SOMEBODY=else;OTHER=x', 'ARGS: unknown args ["SOMEBODY","OTHER"]'],
  ['SOMEBODY=else;IgnoreUnknown=0', 'ARGS: unknown args ["SOMEBODY"]'],
  [
    'K8S_POD_NAMESPACE=vms;MAC=02:00:00:00:00:01;K8S_POD_NAMESPACE=other',
    'ARGS: two values of K8S_POD_NAMESPACE: "vms" and "other"',
  ],
  ['K8S_POD_NAME=a;K8S_POD_NAME=b', 'ARGS: two values of K8S_POD_NAME: "a" and "b"'],
  ['K8S_POD_NAMESPACE=;K8S_POD_NAMESPACE=vms', 'ARGS: two values of K8S_POD_NAMESPACE: "" and "vms"'],
  ['SOMEBODY=else;IgnoreUnknown=1;IgnoreUnknown=0', 'ARGS: unknown args ["SOMEBODY"]'],
  ['mac=02:00:00:00:00:01', 'ARGS: unknown args ["mac"]'],
  ['constructor=x', 'ARGS: unknown args ["constructor"]'],
  ['IgnoreUnknown=maybe', 'ARGS: boolean unmarshal error: invalid input maybe'],
  ['MAC=x', 'ARGS: Cannot read MAC: want a unicast MAC address such as "02:00:00:00:00:01", got "x"'],
  [
    'MAC=01-00-5e-00-00-01',
    'ARGS: Cannot read MAC: want a unicast MAC address such as "02:00:00:00:00:01", got "01-00-5e-00-00-01"',
  ],
  ['IP=10.0.0.1,x', 'ARGS: Cannot read IP: want IP addresses, with commas between them, got "x"'],
] as const) {
  test(`rejects "${text}"`, async () => {
    const error = await caught(() => parseCniArgs(text));
    assert.equal([error.code, error.message], ['INVALID_ENVIRONMENT', message]);
  });
}

test.run();
