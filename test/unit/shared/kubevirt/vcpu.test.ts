import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { countVcpus } from '../../../../shared/kubevirt/vcpu.ts';
import { caught } from '../../../helpers/caught.ts';

const count = suite('countVcpus()');

for (const [why, cpu, resources, want] of [
  ['nothing said', {}, {}, 1],
  ['cores', { cores: 4 }, {}, 4],
  ['a topology', { cores: 2, sockets: 3, threads: 2 }, {}, 12],
  ['zeros in a topology', { cores: 0, sockets: 3, threads: 0 }, {}, 3],
  ['a topology before resources', { cores: 2 }, { limits: { cpu: '8' } }, 2],
  ['a model alone', { model: 'host-passthrough' }, { limits: { cpu: '8' } }, 8],
  ['a request', {}, { requests: { cpu: '2' } }, 2],
  ['a limit before a request', {}, { requests: { cpu: '2' }, limits: { cpu: '3' } }, 3],
  ['parts of a CPU', {}, { requests: { cpu: '1500m' } }, 2],
  ['a hundredth of a CPU', {}, { requests: { cpu: '10m' } }, 1],
  ['a fraction', {}, { requests: { cpu: '2.5' } }, 3],
  ['a number', {}, { requests: { cpu: 4 } }, 4],
  ['no CPUs', {}, { requests: { cpu: '0' } }, 1],
  ['another form of quantity', {}, { requests: { cpu: '1e1' } }, 1],
  ['memory alone', {}, { requests: { memory: '1Gi' }, limits: null }, 1],
] as const) {
  count(why, () => assert.is(countVcpus({ cpu, resources }), want));
}

count('refuses cores that are no count', async () => {
  const { message } = await caught(() => countVcpus({ cpu: { cores: -1 }, resources: {} }));
  assert.is(message, 'Cannot read $.spec.domain.cpu.cores: want an integer in 0..4294967295, got -1');
});

count.run();
