/**
 * The one-shot, which the shim runs if there is no agent: how it is run, what is validated first,
 * and that it runs one at a time on a node.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SUPPORTED_VERSIONS } from '../../cni/request/version.ts';
import { netconf, newContainerId } from '../helpers/plugin/cni.ts';
import { errorOf, INSTALLED, SHIM, shim, withDirectory, withFallback } from '../helpers/plugin/shim.ts';
import { dumpNetns, sameNetns, withNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('the fallback');

const CONF = '{"cniVersion":"1.0.0","name":"n","type":"tapwire"}';
const NOBODY = 65534;

test("Node runs through the fallback's own loader, in its directory, with CNI's environment and stdin", () =>
  withNetns(({ path }) =>
    withFallback(async (fallbackDir) => {
      const foreign = {
        NODE_OPTIONS: '--no-such',
        LD_PRELOAD: '/x.so',
        LD_LIBRARY_PATH: '/x',
        PATH: '/bin',
        HOME: '/root',
      };
      const env = {
        ...foreign,
        CNI_NETNS: path,
        CNI_ARGS: 'a=b',
        TRACEPARENT: 't',
        TAPWIRE_NODE_FILE: '/node.json',
      };
      const { exitCode, stdout, stderr } = await shim('ADD', { fallbackDir, input: CONF, env });
      assert.equal([exitCode, stderr], [0, '']);
      const run = JSON.parse(stdout);
      assert.equal([run.cwd, run.input], [fallbackDir, CONF]);
      // The loader's first argument is its own name, which a script does not get.
      assert.equal(run.args, ['--library-path', 'lib', './node', './index.js', '9']);
      assert.equal(run.env, {
        CNI_COMMAND: 'ADD',
        CNI_NETNS: path,
        CNI_ARGS: 'a=b',
        TRACEPARENT: 't',
        TAPWIRE_NODE_FILE: '/node.json', // only in the tests' build
      });
      const kept = run.links.filter((link: string) => link.startsWith('/') && !link.startsWith('/proc'));
      assert.ok(kept.includes(fallbackDir), 'it holds the slot');
      assert.ok(kept.includes(path), 'it holds the netns');
      assert.equal(
        run.links.filter((link: string) => /net:|socket|memfd/.test(link)),
        [],
      );
    }),
  ));

test('VERSION does not read stdin', () =>
  withFallback(async (fallbackDir) => {
    assert.is(JSON.parse((await shim('VERSION', { fallbackDir })).stdout).input, null);
  }));

test('too much stdin and empty stdin are replayed unchanged', () =>
  withFallback(async (fallbackDir) => {
    for (const length of [0, 1024 * 1024 + 1]) {
      const { stdout } = await shim('GC', { fallbackDir, input: 'x'.repeat(length) });
      assert.is(JSON.parse(stdout).input.length, length);
    }
  }));

for (const [change, why, name] of [
  [(path) => rmSync(path), 'No such file or directory', 'lib/ld.so'],
  [(path) => rmSync(path), 'No such file or directory', 'node'],
  [(path) => rmSync(path), 'No such file or directory', 'index.js'],
  [(path) => rmSync(path), 'No such file or directory', 'package.json'],
  [(path) => rmSync(path), 'No such file or directory', 'tapwire.node'],
  [(path) => rmSync(path, { recursive: true }), 'No such file or directory', 'lib'],
  [(path) => chmodSync(path, 0o775), 'users other than root can write to it', 'lib'],
  [(path) => chmodSync(path, 0o775), 'users other than root can write to it', 'lib/ld.so'],
  [(path) => chmodSync(path, 0o757), 'users other than root can write to it', 'node'],
  [(path) => chmodSync(path, 0o666), 'users other than root can write to it', 'index.js'],
  [(path) => chmodSync(path, 0o664), 'users other than root can write to it', 'package.json'],
  [(path) => chmodSync(path, 0o664), 'users other than root can write to it', 'tapwire.node'],
  [(path) => chownSync(path, NOBODY, 0), 'it does not belong to root', 'lib'],
  [(path) => chownSync(path, NOBODY, 0), 'it does not belong to root', 'index.js'],
  [(path) => chmodSync(path, 0o600), 'Permission denied', 'lib/ld.so'],
] as const satisfies readonly (readonly [(path: string) => void, string, string])[]) {
  test(`the shim rejects ${name}: ${why}`, () =>
    withFallback(async (fallbackDir) => {
      change(join(fallbackDir, name));
      const answer = await shim('ADD', { fallbackDir, input: CONF });
      assert.equal(errorOf(answer), [1, 5, `Cannot run "${fallbackDir}/${name}": ${why}`]);
      assert.match(JSON.parse(answer.stdout).details, /install both again/);
    }));
}

for (const [mode, owner, why] of [
  [0o777, 0, 'users other than root can write to it'],
  [0o755, NOBODY, 'it does not belong to root'],
] as const) {
  test(`the shim rejects the directory of the fallback: ${why}`, () =>
    withFallback(async (fallbackDir) => {
      chmodSync(fallbackDir, mode);
      chownSync(fallbackDir, owner, 0);
      const answer = await shim('ADD', { fallbackDir, input: CONF });
      assert.equal(errorOf(answer), [1, 5, `Cannot run "${fallbackDir}": ${why}`]);
    }));
}

/** All files and directories of the built fallback, and two that a loader would also look into. */
const EVERYTHING = [
  ...readdirSync(join(dirname(INSTALLED), '.tapwire'), { recursive: true, encoding: 'utf8' }),
  'inventory.json',
  'lib/glibc-hwcaps',
  'lib/glibc-hwcaps/x86-64-v3',
  'lib/glibc-hwcaps/x86-64-v3/libm.so.6',
];

test('each file and directory of the fallback must belong to root, and others must not write to it', () =>
  withFallback(async (fallbackDir) => {
    mkdirSync(join(fallbackDir, 'lib/glibc-hwcaps/x86-64-v3'), { recursive: true });
    for (const name of EVERYTHING) {
      if (!existsSync(join(fallbackDir, name))) writeFileSync(join(fallbackDir, name), '', { mode: 0o644 });
    }
    const assertRejected = async (name: string, why: string): Promise<void> => {
      const answer = await shim('GC', { fallbackDir, input: CONF });
      assert.equal(errorOf(answer), [1, 5, `Cannot run "${fallbackDir}/${name}": ${why}`]);
      assert.match(JSON.parse(answer.stdout).details, /install both again/);
    };
    assert.ok(['lib/libc.so.6', 'lib/ld.so', 'node', 'tapwire'].every((name) => EVERYTHING.includes(name)));
    for (const name of EVERYTHING) {
      const path = join(fallbackDir, name);
      const { mode } = statSync(path);
      for (const others of [0o020, 0o002]) {
        chmodSync(path, mode | others);
        await assertRejected(name, 'users other than root can write to it');
      }
      chmodSync(path, mode);
      chownSync(path, NOBODY, 0);
      await assertRejected(name, 'it does not belong to root');
      chownSync(path, 0, 0);
    }
    assert.is(JSON.parse((await shim('GC', { fallbackDir, input: CONF })).stdout).fallback, true);
  }));

test('directories that are linked into each other are rejected', () =>
  withFallback(async (fallbackDir) => {
    symlinkSync('..', join(fallbackDir, 'lib/loop'));
    const answer = await shim('GC', { fallbackDir, input: CONF });
    assert.match(String(errorOf(answer)[2]), /^Cannot run ".*loop.*": it is nested too deeply$/);
  }));

test('a fallback with a hundred libraries is checked to its end', () =>
  withFallback(async (fallbackDir) => {
    const names = Array.from({ length: 100 }, (_, i) => `lib/${'x'.repeat(200)}${i}.so`);
    for (const name of names) writeFileSync(join(fallbackDir, name), '', { mode: 0o644 });
    assert.is(JSON.parse((await shim('GC', { fallbackDir, input: CONF })).stdout).fallback, true);
    for (const name of names) {
      chmodSync(join(fallbackDir, name), 0o666);
      const why = 'users other than root can write to it';
      const answer = await shim('GC', { fallbackDir, input: CONF });
      assert.is(errorOf(answer)[2], `Cannot run "${fallbackDir}/${name}": ${why}`);
      chmodSync(join(fallbackDir, name), 0o644);
    }
  }));

test('links are followed, and their targets are validated', () =>
  withFallback(async (fallbackDir) => {
    const elsewhere = join(fallbackDir, 'elsewhere.js');
    renameSync(join(fallbackDir, 'index.js'), elsewhere);
    symlinkSync(elsewhere, join(fallbackDir, 'index.js'));
    assert.is(JSON.parse((await shim('ADD', { fallbackDir, input: CONF })).stdout).fallback, true);
    chmodSync(elsewhere, 0o666);
    const answer = await shim('ADD', { fallbackDir, input: CONF });
    assert.is(
      errorOf(answer)[2],
      `Cannot run "${fallbackDir}/index.js": users other than root can write to it`,
    );
  }));

test('without an agent and a fallback the error gives a remedy and asks to try again', () =>
  withDirectory(async (directory) => {
    await execa('cp', [INSTALLED, directory]);
    const program = [join(directory, 'tapwire')];
    for (const command of ['ADD', 'DEL', 'VERSION']) {
      const answer = await shim(command, { program, input: CONF });
      const where = `there is no agent at "/run/tapwire/agent.sock" and no fallback at "${directory}/.tapwire"`;
      assert.equal(errorOf(answer), [1, 11, `Cannot run ${command}: ${where}`]);
      assert.match(JSON.parse(answer.stdout).details, /DaemonSet .* or install the fallback/);
    }
  }));

test('a file in place of the directory is reported', () =>
  withDirectory(async (directory) => {
    await execa('cp', [INSTALLED, directory]);
    await execa('cp', [INSTALLED, join(directory, '.tapwire')]);
    const answer = await shim('VERSION', { program: [join(directory, 'tapwire')] });
    assert.equal(errorOf(answer), [1, 5, `Cannot run "${directory}/.tapwire": Not a directory`]);
  }));

/** Writes down when it begins and when it ends. */
const SLOW = `#!/bin/sh
echo begin >> log
sleep 0.1
echo end >> log
`;

test('fallbacks run one at a time on a node', () =>
  withFallback(async (fallbackDir) => {
    await Promise.all(Array.from({ length: 5 }, () => shim('GC', { fallbackDir, input: CONF })));
    const log = readFileSync(join(fallbackDir, 'log'), 'utf8').split('\n').slice(0, -1);
    assert.equal(log, Array(5).fill(['begin', 'end']).flat());
  }, SLOW));

/** Holds the lock until the file "go" exists. */
const WAITING = `#!/bin/sh
echo begin >> log
until [ -e go ]; do sleep 0.02; done
`;

/** Runs a call in a fallback that ends when it is released, or when the function ends. */
async function withSlotTaken<T>(act: (fallbackDir: string, release: () => void) => Promise<T>): Promise<T> {
  return withFallback(async (fallbackDir) => {
    const first = shim('GC', { fallbackDir, input: CONF });
    while (!existsSync(join(fallbackDir, 'log'))) await sleep(10);
    const release = () => writeFileSync(join(fallbackDir, 'go'), '');
    try {
      return await act(fallbackDir, release);
    } finally {
      release();
      await first;
    }
  }, WAITING);
}

test('a call that never gets the lock reports it after a bounded time', () =>
  withSlotTaken(async (fallbackDir) => {
    const answer = await shim('ADD', { fallbackDir, input: CONF, timeScale: 200 });
    const msg = `Cannot run ADD: waited 60 s for other calls that use the fallback at "${fallbackDir}"; try again`;
    assert.equal(errorOf(answer), [1, 11, msg]);
  }));

/**
 * The minimum that a node gives the plugin: its own two files, /proc, /dev/net/tun and the netns.
 * There is no C library and no shell.
 */
async function withBareNode<T>(
  act: (call: (command: string, env: Env, input: string) => Promise<Answer>) => Promise<T>,
) {
  return withDirectory(async (root) => {
    const bin = join(root, 'opt/cni/bin');
    for (const directory of [bin, join(root, 'proc'), join(root, 'dev/net'), join(root, 'run/netns')]) {
      mkdirSync(directory, { recursive: true });
    }
    await execa('cp', ['-rL', INSTALLED, join(dirname(INSTALLED), '.tapwire'), bin]);
    await execa('mknod', [join(root, 'dev/net/tun'), 'c', '10', '200']);
    // The mounts end with the mount namespace.
    const script =
      'mount -t proc proc "$0/proc" && mount --rbind /run/netns "$0/run/netns" && exec /usr/sbin/chroot "$0" /opt/cni/bin/tapwire';
    return act(async (command, env, input) => {
      const { exitCode, stdout, stderr } = await execa('unshare', ['-m', 'sh', '-c', script, root], {
        input,
        env: { ...env, CNI_COMMAND: command },
        reject: false,
      });
      return { exitCode, stdout, stderr };
    });
  });
}

type Env = Readonly<Record<string, string>>;
interface Answer {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

test('the plugin works on a node that has nothing else', () =>
  withBareNode((call) =>
    withPod('eth0', async (netns) => {
      const version = await call('VERSION', {}, '');
      assert.equal(JSON.parse(version.stdout).supportedVersions, [...SUPPORTED_VERSIONS]);

      const before = await dumpNetns(netns);
      const env = {
        CNI_CONTAINERID: newContainerId(),
        CNI_NETNS: netns.path,
        CNI_IFNAME: 'net1',
        CNI_PATH: '/opt/cni/bin',
      };
      const prevResult = { cniVersion: '1.0.0' };
      const input = JSON.stringify(netconf({ network: 'default', conf: { prevResult } }));
      const added = await call('ADD', env, input);
      assert.equal([added.exitCode, JSON.parse(added.stdout), added.stderr], [0, prevResult, '']);
      assert.match(await netns.ip('link show'), /tap0:/);
      for (const command of ['CHECK', 'DEL', 'DEL']) {
        assert.equal(await call(command, env, input), { exitCode: 0, stdout: '', stderr: '' }, command);
      }
      sameNetns(await dumpNetns(netns), before);
    }),
  ));

test('a file that is not a loader is reported', () =>
  withFallback(async (fallbackDir) => {
    const answer = await shim('VERSION', { fallbackDir });
    assert.equal(errorOf(answer), [1, 5, `Cannot run "${fallbackDir}/lib/ld.so": Exec format error`]);
  }, 'garbage'));

test('without /proc the error names what cannot be opened', () =>
  withDirectory(async (root) => {
    await execa('cp', [INSTALLED, root]);
    const answer = await shim('VERSION', { program: ['/usr/sbin/chroot', root, '/tapwire'] });
    assert.equal(errorOf(answer), [1, 5, 'Cannot open "/proc/self/ns/net": No such file or directory']);
  }));

test('a directory name with characters special to a loader or a shell works', () =>
  withDirectory(async (parent) => {
    const directory = join(parent, 'a:b;c "d" $(e)');
    mkdirSync(directory);
    for (const name of ['tapwire', '.tapwire'])
      await execa('cp', ['-rL', join(dirname(INSTALLED), name), directory]);
    const { stdout } = await shim('VERSION', { program: [join(directory, 'tapwire')] });
    assert.is(JSON.parse(stdout).cniVersion, '1.1.0');
  }));

test('neither argv nor a link to the shim affects which program is run', () =>
  withDirectory(async (directory) => {
    symlinkSync(INSTALLED, join(directory, 'tapwire'));
    const { stdout } = await shim('VERSION', { program: [join(directory, 'tapwire')] });
    assert.is(JSON.parse(stdout).cniVersion, '1.1.0');
    const options = { argv0: '/tmp/elsewhere/tapwire' };
    const { stdout: same } = await shim('VERSION', { program: [SHIM], options, fallbackDir: '' });
    assert.is(JSON.parse(same).cniVersion, '1.1.0');
  }));

test.run();
