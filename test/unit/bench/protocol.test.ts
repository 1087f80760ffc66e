import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeEnd, decodeExit, encodeJobs } from '../../../bench/protocol.ts';

const test = suite("the lines of the benchmark's runner");

const JOB = {
  program: '/bin/plugin',
  stdin: '/in',
  stdout: '/out',
  env: { CNI_COMMAND: 'ADD', CNI_ARGS: 'A=1;B=2' },
};

test('a job is a line whose fields end with a tab, and all jobs start at "go"', () => {
  const line = 'job\t/bin/plugin\t/in\t/out\tCNI_COMMAND=ADD\tCNI_ARGS=A=1;B=2\t\n';
  assert.is(encodeJobs([JOB, JOB]), `${line}${line}go\n`);
});

test('a value that would end a field or a line is rejected', () => {
  const encode = () => encodeJobs([{ ...JOB, env: { CNI_ARGS: 'A\tB' } }]);
  assert.throws(encode, 'Cannot pass "CNI_ARGS=A\\tB" to the runner: it has a tab, a newline or a NUL');
});

test('times are reported in ms, memory in KiB', () => {
  assert.equal(decodeExit('1500000 200 300 448 1'), { wall: 1.5, cpu: 0.5, memory: 448, status: 1 });
  assert.is(decodeEnd('end 2500000'), 2.5);
});

test('any other line is rejected', () => {
  for (const line of ['', '1 2 3 4', '1 2 3 4 x', 'end 5'])
    assert.throws(() => decodeExit(line), `"${line}"`);
  assert.throws(() => decodeEnd('1 2 3 4 5'), 'Cannot read');
});

test.run();
