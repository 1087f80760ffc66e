/** Runs the command as a process with files, stdin and pipes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kubevirt, vm } from '../../helpers/cluster/check.ts';

const test = suite('tapwire');

const ROOT = resolve(import.meta.dirname, '../../..');
const MAIN = join(ROOT, 'cli/main.ts');
const run = (args: readonly string[], input = '') =>
  execa(process.execPath, [MAIN, ...args], { input, reject: false, stripFinalNewline: false });

test('check accepts the output of manifests', async () => {
  const bindings = ['tap', 'tap-secondary', 'tap-secondary-mq'].flatMap((kind) => ['--binding', kind]);
  const made = await run(['manifests', ...bindings, '--namespace', 'vms']);
  const { stdout, stderr, exitCode } = await run(['check', '-'], made.stdout);
  assert.equal(
    [stdout, stderr, exitCode],
    ['', '12 objects checked, 0 of other kinds skipped: 0 errors, 0 warnings\n', 0],
  );
});

test('prints findings to stdout, with status 1', async () => {
  const { stdout, exitCode } = await run(['check', '-'], vm({ networks: [] }));
  assert.match(
    stdout,
    /^-:8: error: VirtualMachine "vms\/red": interface "default" has no network of that name/,
  );
  assert.is(exitCode, 1);
});

test('prints the finding that README.md shows', async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, shown = '', line = ''] = /^(-:(\d+): error: .*)$/m.exec(readme) ?? [];
  const registration = kubevirt({ tapwire: { domainAttachmentType: 'Tap' } });
  const linesBefore = Number(line) - 8; // The interface's binding is on line 8.
  const { stdout } = await run(['check', '-'], '#\n'.repeat(linesBefore) + registration);
  assert.is(stdout, `${shown}\n`);
});

test('exits with 2 if a file cannot be read, and says why', async () => {
  const { stdout, stderr, exitCode } = await run(['check', '/nonexistent/file']);
  assert.equal([stdout, exitCode], ['', 2]);
  assert.is(stderr, 'Cannot read "/nonexistent/file": it does not exist; check the path\n');
});

test('rejects input that does not end', async () => {
  const { stdout, stderr, exitCode } = await run(['check', '/dev/zero']);
  assert.equal([stdout, exitCode], ['', 2]);
  assert.match(stderr, /^Cannot read "\/dev\/zero": the files have more than 128 MiB; check one namespace/);
});

test('rejects a directory, and an unknown option, in one sentence', async () => {
  const directory = await run(['check', ROOT]);
  assert.is(directory.stderr, `Cannot read "${ROOT}": it is a directory; name its files\n`);
  const option = await run(['check', '--files', 'x']);
  assert.is(
    option.stderr,
    `Cannot run "tapwire check": Unknown option '--files'; see "tapwire check --help"\n`,
  );
});

test('reads files and stdin together', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-'));
  try {
    const file = join(directory, 'vm.yaml');
    writeFileSync(file, vm());
    const cr = 'apiVersion: kubevirt.io/v1\nkind: KubeVirt\nmetadata: {name: k}\n';
    const { stdout, exitCode } = await run(['check', '--json', file, '-'], cr);
    assert.match(JSON.parse(stdout).findings[0].message, 'binding "tapwire" is not registered');
    assert.is(exitCode, 1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const inShell = (script: string) =>
  execa(
    'bash',
    ['-c', `set -o pipefail; "$0" "$1" manifests --binding tap ${script}`, process.execPath, MAIN],
    {
      reject: false,
    },
  );

test('exits with 0 if the reader closes the pipe', async () => {
  const { stderr, exitCode } = await inShell('| true');
  assert.equal([stderr, exitCode], ['', 0]);
});

test('exits with 2 if the disk is full', async () => {
  const { stderr, exitCode } = await inShell('> /dev/full');
  assert.equal([stderr, exitCode], ['Cannot write the results: ENOSPC: no space left on device, write', 2]);
});

test.run();
