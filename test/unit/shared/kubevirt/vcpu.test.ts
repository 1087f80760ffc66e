import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { countVcpus } from '../../../../shared/kubevirt/vcpu.ts';
import { caught } from '../../../helpers/caught.ts';

const count = suite('countVcpus()');

for (const [why, cpu, resources, want] of [
  ['nothing specified', {}, {}, 1],
  ['cores', { cores: 4 }, {}, 4],
  ['a topology', { cores: 2, sockets: 3, threads: 2 }, {}, 12],
  ['zeros in a topology', { cores: 0, sockets: 3, threads: 0 }, {}, 3],
  ['a topology, which takes precedence over resources', { cores: 2 }, { limits: { cpu: '8' } }, 2],
  ['only a model', { model: 'host-passthrough' }, { limits: { cpu: '8' } }, 8],
  ['a request', {}, { requests: { cpu: '2' } }, 2],
  ['a limit, which takes precedence over a request', {}, { requests: { cpu: '2' }, limits: { cpu: '3' } }, 3],
  ['parts of a CPU', {}, { requests: { cpu: '1500m' } }, 2],
  ['a hundredth of a CPU', {}, { requests: { cpu: '10m' } }, 1],
  ['a fraction', {}, { requests: { cpu: '2.5' } }, 3],
  ['a number', {}, { requests: { cpu: 4 } }, 4],
  ['no CPUs', {}, { requests: { cpu: '0' } }, 1],
  ['an exponent', {}, { requests: { cpu: '1e1' } }, 10],
  ['an exponent of zero', {}, { limits: { cpu: '4e0' } }, 4],
  ['a negative exponent', {}, { limits: { cpu: '25E-1' } }, 3],
  ['digits on one side of the point', {}, { limits: { cpu: '+2.' }, requests: { cpu: '.5' } }, 2],
  ['micro-CPUs', {}, { limits: { cpu: '2000001u' } }, 3],
  ['nano-CPUs', {}, { limits: { cpu: '500000000n' } }, 1],
  ['thousands', {}, { limits: { cpu: '1k' } }, 1000],
  ['a malformed limit and a negative request', {}, { limits: { cpu: '4 e0' }, requests: { cpu: '-3' } }, 1],
  ['a suffix that is not for CPUs', {}, { limits: { cpu: '1Ki' } }, 1],
  ['only memory', {}, { requests: { memory: '1Gi' }, limits: null }, 1],
] as const) {
  count(`returns ${want} for ${why}`, () => assert.is(countVcpus({ cpu, resources }), want));
}

count('rejects cores that are not a count', async () => {
  const { message } = await caught(() => countVcpus({ cpu: { cores: -1 }, resources: {} }));
  assert.is(message, 'Cannot read $.spec.domain.cpu.cores: want an integer in 0..4294967295, got -1');
});

count.run();
