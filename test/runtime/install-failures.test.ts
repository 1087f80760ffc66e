/**
 * When the installer cannot install, it says why, the installed version keeps working, and nothing
 * half done is left.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { installer, installs, namesIn, runtimeOf, treeOf, withBin } from '../helpers/cluster/install.ts';
import { STRACE } from '../helpers/plugin/strace.ts';

const test = suite('the installer when it fails');

// ---- files of other programs with Tapwire's names

for (const [why, place, subject, reason] of [
  [
    "a plugin with Tapwire's name",
    (bin: string) => writeFileSync(join(bin, 'tapwire'), '#!/bin/sh\n', { mode: 0o755 }),
    'tapwire',
    'it is not the CNI plugin of Tapwire',
  ],
  [
    "a link with Tapwire's name",
    (bin: string) => symlinkSync('bridge', join(bin, 'tapwire')),
    'tapwire',
    'it is not the CNI plugin of Tapwire',
  ],
  [
    "a directory with Tapwire's name",
    (bin: string) => mkdirSync(join(bin, 'tapwire')),
    'tapwire',
    'it is not the CNI plugin of Tapwire',
  ],
  [
    'a fallback that was copied by hand',
    (bin: string) => mkdirSync(join(bin, '.tapwire/lib'), { recursive: true }),
    '.tapwire',
    'it is not a link to a version that this program installed',
  ],
  [
    'a fallback that leads elsewhere',
    (bin: string) => symlinkSync('../elsewhere', join(bin, '.tapwire')),
    '.tapwire',
    'it is not a link to a version that this program installed',
  ],
] as const) {
  test(`the installer rejects ${why} and leaves it as it is`, () =>
    withBin(async ({ bin, payloads: [a] }) => {
      place(bin);
      const before = treeOf(bin);
      const { exitCode, line } = await installer('install', bin, ['--from', a]);
      const advice = 'move it away, or choose another directory with --cni-bin-dir';
      assert.equal(
        [exitCode, line.message],
        [1, `Cannot install "${join(bin, subject)}": ${reason}; ${advice}`],
      );
      assert.equal(treeOf(bin), before);
    }));
}

// ---- directories and file systems that cannot be installed to

for (const [why, place, text] of [
  [
    'does not exist',
    (_: string) => {},
    /^Cannot install into "(.*)": it does not exist; name the directory .*, or create it: mkdir -p \1$/,
  ],
  [
    'is a file',
    (path: string) => writeFileSync(path, ''),
    /^Cannot install into ".*": it is not a directory; name the directory /,
  ],
] as const) {
  test(`the installer rejects a directory that ${why}`, () =>
    withBin(async ({ folder, payloads: [a] }) => {
      const path = join(folder, 'other');
      place(path);
      const { exitCode, line } = await installer('install', path, ['--from', a]);
      assert.is(exitCode, 1);
      assert.match(line.message, text);
    }));
}

test('the installer reports a missing source', () =>
  withBin(async ({ bin, folder }) => {
    const before = treeOf(bin);
    const { exitCode, line } = await installer('install', bin, ['--from', folder]);
    assert.is(exitCode, 1);
    assert.match(
      line.message,
      /^Cannot read the plugin to install from ".*": ENOENT: .*; choose another directory with --from$/,
    );
    assert.equal(treeOf(bin), before);
  }));

/**
 * Mounts a file system with an installed version on the directory, installs there again, and checks
 * what has become of it.
 */
const MOUNTED = `
  bin=$1 options=$2; shift 2
  cp -a "$bin" "$bin.before"
  mount -t tmpfs -o mode=755 tmpfs "$bin"
  cp -a "$bin.before/." "$bin"
  mount -o "remount,$options" "$bin"
  "$@" || echo "status $?" >&2
  mount -o remount,exec "$bin"
  mkdir "$bin.after" && cp -a "$bin/." "$bin.after"`;

for (const [why, options, text] of [
  [
    'is full',
    'size=200k',
    /": no space left: \d+ MB are free, and replacing a version needs 140; free some, or use --no-fallback, which needs 1$/,
  ],
  ['is read-only', 'ro', /": the file system is read-only; choose another directory with --cni-bin-dir$/],
  ['runs no programs', 'noexec', /^Cannot run ".*\/tapwire": the file system is mounted noexec/],
] as const) {
  test(`a failed installation on a file system that ${why} keeps the installed version working and leaves nothing`, () =>
    withBin(async ({ bin, payloads: [a, b] }) => {
      await installs(bin, a);
      writeFileSync(join(b, '.tapwire/node'), Buffer.alloc(400_000)); // more than the file system can hold
      const before = treeOf(bin);
      const under = [
        'unshare',
        '--mount',
        '--propagation',
        'private',
        'sh',
        '-ec',
        MOUNTED,
        'sh',
        bin,
        options,
      ];
      const { line } = await installer('install', bin, ['--from', b], under);
      assert.is(line.level, 'error');
      assert.match(line.message, text);
      assert.equal(treeOf(`${bin}.after`), before);
      assert.is(await runtimeOf(`${bin}.after`), 'a');
    }));
}

test('the installer rejects a plugin for another architecture and keeps the installed version working', () =>
  withBin(async ({ bin, payloads: [a, b] }) => {
    await installs(bin, a);
    const before = treeOf(bin);
    const shim = readFileSync(join(b, 'tapwire'));
    shim.writeUInt16LE(0xfefe, 18); // e_machine of the ELF header, set to a value that no architecture has
    writeFileSync(join(b, 'tapwire'), shim);
    const { exitCode, line } = await installer('install', bin, ['--from', b]);
    const reason = "it was built for another architecture than this node's";
    assert.equal([exitCode, line.message], [1, `Cannot run "${b}/tapwire": ${reason}`]);
    assert.equal(treeOf(bin), before);
  }));

for (const [why, damage, text] of [
  [
    'does not start',
    (path: string) => rmSync(join(path, '.tapwire/node')),
    /VERSION exited with 1: .*No such file/,
  ],
  [
    'prints nothing',
    (path: string) => writeFileSync(join(path, '.tapwire/lib/ld.so'), '#!/bin/sh\n'),
    /VERSION exited with 0: ""$/,
  ],
] as const) {
  test(`a fallback that ${why} never replaces one that works`, () =>
    withBin(async ({ bin, payloads: [a, b] }) => {
      await installs(bin, a);
      const before = treeOf(bin);
      damage(b);
      const { exitCode, line } = await installer('install', bin, ['--from', b]);
      assert.is(exitCode, 1);
      assert.match(line.message, text);
      assert.equal(treeOf(bin), before);
      assert.is(await runtimeOf(bin), 'a');
    }));
}

// ---- killed

/** System calls that change the disk, or sync it. arm64 has only the second name of each. */
const CHANGES = [
  'mkdir',
  'mkdirat',
  'symlink',
  'symlinkat',
  'fsync',
  'rename',
  'renameat',
  'unlink',
  'unlinkat',
  'rmdir',
];

test('an installer killed at any change leaves the old version or the new one working, and the next installer finishes', () =>
  withBin(async ({ bin, folder, payloads: [a, b, c] }) => {
    await installs(bin, c);
    await installs(bin, a);
    const log = join(folder, 'strace');
    const under = (...options: readonly string[]) => [STRACE, '-f', '-qq', '-o', log, ...options];
    const existing = CHANGES.filter((name) => process.arch !== 'arm64' || /at$|^fsync$/.test(name));
    const trace = ['-e', `trace=${existing.join(',')}`];
    assert.is((await installer('install', bin, ['--from', b], under(...trace))).exitCode, 0);
    const calls = [...readFileSync(log, 'utf8').matchAll(/^\d+ +(\w+)\(/gm)].map(([, name = '']) => name);
    assert.ok(calls.length > 15, `${calls}`);

    const counts = new Map<string, number>();
    const seen = new Set<string>();
    for (const name of calls) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      await execa('rm', ['-rf', bin]);
      mkdirSync(bin);
      await installs(bin, c);
      await installs(bin, a);
      const kill = ['-e', `inject=${name}:signal=KILL:when=${counts.get(name)}`];
      await installer('install', bin, ['--from', b], under(...kill));
      const runtime = await runtimeOf(bin);
      assert.ok(['a', 'b'].includes(runtime), `${name} ${counts.get(name)}: ${runtime}`);
      seen.add(runtime);
      await installs(bin, b);
      assert.is(await runtimeOf(bin), 'b');
      assert.equal(
        namesIn(bin).filter((one) => one.includes('.new-')),
        [],
        `${name} ${counts.get(name)}`,
      );
    }
    assert.equal([...seen].sort(), ['a', 'b'], 'it was killed before and after the change');
  }));

test.run();
