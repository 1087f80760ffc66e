/**
 * A tap has the SELinux label of the task that creates it. Without SELinux the kernel rejects the
 * label, and no tap is created.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('the label of a tap');

const ROOT = resolve(import.meta.dirname, '../..');
const LABEL = 'system_u:system_r:container_t:s0';

/** Creates a tap as the kernel edge does under SELinux, and prints the outcome. */
const program = (netns: string, helper: string) => `
  import { openSync } from 'node:fs';
  import { Rtnetlink } from '${ROOT}/shared/netns/netns.ts';
  const rtnetlink = new Rtnetlink(openSync('${netns}', 'r'));
  const labelled = { label: '${LABEL}', helper: '${helper}' };
  const tap = { ifname: 'tap0', ifindex: 0, multiQueue: false, owner: 107, group: 107, labelled };
  console.log(JSON.stringify(await rtnetlink.run([{ part: 'createTap', tap }], false)));
`;

test('the task that becomes the shim writes the label before that, and does not run the shim without it', () =>
  withNetns(async ({ path, ip }) => {
    const directory = mkdtempSync(join(tmpdir(), 'tapwire-label-'));
    try {
      const log = join(directory, 'log');
      const trace = ['-f', '-y', '-s', '64', '-o', log, '-e', 'trace=openat,write,execve'];
      const node = [process.execPath, '--input-type=module', '-e', program(path, `${ROOT}/dist/cni/tapwire`)];
      const { stdout } = await execa('strace', [...trace, ...node], { cwd: ROOT });
      const reason = 'write the SELinux label to /proc/thread-self/attr/exec: Invalid argument';
      assert.equal(JSON.parse(stdout), [[{ errno: 22, reason }]]);

      const lines = readFileSync(log, 'utf8').split('\n');
      const written = lines.filter((line) => line.includes('attr/exec>, '));
      assert.is(written.length, 1, lines.filter((line) => line.includes('attr/exec')).join('\n'));
      const [task, ...call] = written[0]?.trim().split(/\s+/) ?? [];
      assert.match(
        call.join(' '),
        new RegExp(
          `^write\\(\\d+</proc/\\d+/task/\\d+/attr/exec>, "${LABEL}", ${LABEL.length}\\) = -1 EINVAL`,
        ),
      );
      const execs = lines.filter((line) => line.startsWith(`${task} `) && line.includes('execve('));
      assert.equal(execs, [], 'what has no label is not executed');
      assert.not.match(await ip('link show'), /tap0/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }));

test.run();
