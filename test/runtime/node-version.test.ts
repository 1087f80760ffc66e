/** Programs that run under the Node.js of their caller. */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AGENT, NODE } from '../helpers/agent/agent.ts';
import { INSTALLER } from '../helpers/cluster/install.ts';

const test = suite('another Node.js');

const PRETEND = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });",
)}`;

for (const [what, program] of [
  ['agent', AGENT],
  ['installer', INSTALLER],
] as const) {
  test(`the ${what} names the version that it requires, also for --help`, async () => {
    const { exitCode, stdout, stderr } = await execa(NODE, ['--import', PRETEND, program, '--help'], {
      reject: false,
    });
    assert.equal([exitCode, stdout], [1, '']);
    const message = 'Cannot run under Node.js 18.20.8: want 24; use node_modules/.bin/node';
    assert.is(JSON.parse(stderr).message, message);
  });
}

test.run();
