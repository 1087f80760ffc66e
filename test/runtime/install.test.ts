/**
 * Runs the installer on a CNI bin directory. It installs and deletes versions while calls of the
 * plugin keep working, and leaves files of other programs alone.
 */
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { NODE } from '../helpers/agent/agent.ts';
import { installer, installs, namesIn, runtimeOf, treeOf, withBin } from '../helpers/cluster/install.ts';

const test = suite('the installer');

const REAL = resolve(import.meta.dirname, '../../dist/cni');
const ONE = ['.tapwire', `.tapwire-${tapwire.version}-x`, 'bridge', 'tapwire'];
const TWO = [...ONE, `.tapwire-${tapwire.version}-x`].sort();

test('the installed files work, belong to root, and are unchanged by a second installation', () =>
  withBin(async ({ bin }) => {
    const line = await installs(bin, REAL);
    assert.equal([line.version, line.isNew, line.removed], [tapwire.version, true, []]);
    assert.equal(namesIn(bin), ONE);
    const version = { env: { CNI_COMMAND: 'VERSION' }, extendEnv: false };
    assert.is(JSON.parse((await execa(join(bin, 'tapwire'), version)).stdout).cniVersion, '1.1.0');
    const before = statSync(join(bin, '.tapwire/node')).ctimeMs;
    const again = await installs(bin, REAL);
    assert.equal([again.folder, again.isNew], [line.folder, false]);
    assert.is(statSync(join(bin, '.tapwire/node')).ctimeMs, before, 'existing files are not rewritten');
    assert.equal(namesIn(bin), ONE);
  }));

test('permissions depend neither on the umask nor on the source files', () =>
  withBin(async ({ bin, payloads: [a] }) => {
    for (const [path, mode] of Object.entries({
      tapwire: 0o777,
      '.tapwire/node': 0o700,
      '.tapwire/index.js': 0o666,
    })) {
      chmodSync(join(a, path), mode);
    }
    const under = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];
    const { exitCode, line } = await installer('install', bin, ['--from', a], under);
    assert.is(exitCode, 0, line.message);
    const modes = Object.fromEntries(
      [
        'tapwire',
        '.tapwire/.',
        '.tapwire/lib',
        '.tapwire/node',
        '.tapwire/index.js',
        '.tapwire/inventory.json',
      ].map((path) => [path, (statSync(join(bin, path)).mode & 0o7777).toString(8)]),
    );
    assert.equal(modes, {
      tapwire: '755',
      '.tapwire/.': '700',
      '.tapwire/lib': '755',
      '.tapwire/node': '755',
      '.tapwire/index.js': '644',
      '.tapwire/inventory.json': '644',
    });
  }));

test('only root can open the directory whose lock gives a call its turn, also one of an earlier installer', () =>
  withBin(async ({ bin, payloads: [a, b] }) => {
    const { folder } = await installs(bin, a);
    const words = ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'flock', '-n', '.', 'true'];
    // In the directory, so that only its own permissions count.
    const lockIt = () => execa('setpriv', words, { cwd: join(bin, folder), reject: false });
    assert.match((await lockIt()).stderr, 'Permission denied');
    chmodSync(join(bin, folder), 0o755);
    assert.is((await lockIt()).exitCode, 0);
    await installs(bin, b);
    assert.match((await lockIt()).stderr, 'Permission denied');
  }));

test('an upgrade keeps only the previous version, and a downgrade to it reuses its files', () =>
  withBin(async ({ bin, payloads: [a, b, c] }) => {
    const first = await installs(bin, a);
    const second = await installs(bin, b);
    assert.equal([await runtimeOf(bin), namesIn(bin), second.removed], ['b', TWO, []]);
    const third = await installs(bin, c);
    assert.equal([await runtimeOf(bin), namesIn(bin), third.removed], ['c', TWO, [first.folder]]);
    const back = await installs(bin, b);
    assert.equal([await runtimeOf(bin), back.folder, back.isNew], ['b', second.folder, false]);
    assert.equal(namesIn(bin), TWO);
  }));

test('a version that a call runs from stays until the call ends', () =>
  withBin(async ({ bin, payloads: [a, b, c] }) => {
    const { folder } = await installs(bin, a);
    // Locks the version's directory as the shim does during a call.
    const call = execa('flock', [join(bin, folder), 'sh', '-c', 'echo; read line'], { stdin: 'pipe' });
    try {
      await new Promise((resolve) => call.stdout?.once('data', resolve));
      await installs(bin, b);
      await installs(bin, c);
      assert.ok(lstatSync(join(bin, folder, 'node'), { throwIfNoEntry: false }), 'its files are still there');
    } finally {
      call.stdin?.end('\n');
      await call;
    }
    assert.ok((await installs(bin, b)).removed.includes(folder));
  }));

test('a working plugin is installed at every moment while versions change', () =>
  withBin(async ({ bin, payloads }) => {
    await installs(bin, payloads[0]);
    let isOver = false;
    const answers = new Set<string>();
    const calling = async () => {
      while (!isOver) answers.add(await runtimeOf(bin));
    };
    const callers = [calling(), calling(), calling()];
    for (let round = 0; round < 12; round++) await installs(bin, payloads[round % 3] ?? '');
    isOver = true;
    await Promise.all(callers);
    assert.equal([...answers].sort(), ['a', 'b', 'c']);
  }));

test('installers that run at the same time wait for each other', () =>
  withBin(async ({ bin, payloads: [a, b] }) => {
    await Promise.all([a, b, a, b, a, b].map((from) => installs(bin, from)));
    assert.ok(['a', 'b'].includes(await runtimeOf(bin)));
    assert.equal(namesIn(bin), TWO);
  }));

test('--no-fallback installs only the plugin, whose calls fail with code 11 without an agent', () =>
  withBin(async ({ bin, payloads: [a] }) => {
    await installs(bin, a);
    await installs(bin, a, '--no-fallback');
    assert.is(lstatSync(join(bin, '.tapwire'), { throwIfNoEntry: false }), undefined);
    await installs(bin, a, '--no-fallback');
    assert.equal(
      namesIn(bin),
      [`.tapwire-${tapwire.version}-x`, 'bridge', 'tapwire'],
      'the inventory is installed',
    );
    const call = { env: { CNI_COMMAND: 'VERSION' }, extendEnv: false, reject: false };
    const { exitCode, stdout } = await execa(join(bin, 'tapwire'), call);
    assert.equal([exitCode, JSON.parse(stdout).code], [1, 11]);
    await installs(bin, a);
    assert.is(await runtimeOf(bin), 'a');
  }));

for (const [why, damage] of [
  ['is changed', (path: string) => writeFileSync(join(path, 'index.js'), 'x')],
  ['is missing', (path: string) => rmSync(join(path, 'lib/ld.so'))],
  ['is writable by other users', (path: string) => chmodSync(join(path, 'node'), 0o777)],
  ['is not in the inventory', (path: string) => writeFileSync(join(path, 'more'), '')],
  ['is a broken inventory', (path: string) => writeFileSync(join(path, 'inventory.json'), '{')],
] as const) {
  test(`the installer replaces the installed version if one of its files ${why}`, () =>
    withBin(async ({ bin, payloads: [a] }) => {
      const { folder } = await installs(bin, a);
      damage(join(bin, folder));
      const again = await installs(bin, a);
      assert.equal([again.isNew, again.folder === folder, await runtimeOf(bin)], [true, false, 'a']);
    }));
}

test('the installer deletes the files that a killed installer left', () =>
  withBin(async ({ bin, payloads: [a] }) => {
    mkdirSync(join(bin, '.tapwire.new-0123/.tapwire/lib'), { recursive: true });
    writeFileSync(join(bin, '.tapwire.new-0123/.tapwire/node'), 'half of');
    symlinkSync('.tapwire-x', join(bin, '.tapwire.new-4567'));
    await installs(bin, a);
    assert.equal(namesIn(bin), ONE);
  }));

test('the installer replaces a plugin that was copied by hand', () =>
  withBin(async ({ bin, payloads: [a] }) => {
    await execa('cp', [join(a, 'tapwire'), bin]);
    await installs(bin, a);
    assert.equal(namesIn(bin), ONE);
  }));

// ---- uninstall

const NO_SOCKET = ['--agent-socket', '/nonexistent/agent.sock'];

test('uninstall deletes every version and nothing else', () =>
  withBin(async ({ bin, payloads: [a, b] }) => {
    const before = treeOf(bin);
    await installs(bin, a);
    await installs(bin, b);
    mkdirSync(join(bin, '.tapwire.new-0123'));
    const { exitCode, line } = await installer('uninstall', bin, NO_SOCKET);
    assert.is(exitCode, 0, line.message);
    assert.equal(treeOf(bin), before);
    assert.is(line.removed.length, 4);
    const again = await installer('uninstall', bin, NO_SOCKET);
    assert.equal([again.exitCode, again.line.removed], [0, []]);
  }));

test('uninstall deletes an installation without a fallback', () =>
  withBin(async ({ bin, payloads: [a] }) => {
    const before = treeOf(bin);
    await installs(bin, a, '--no-fallback');
    assert.is((await installer('uninstall', bin, NO_SOCKET)).exitCode, 0);
    assert.equal(treeOf(bin), before);
  }));

test('uninstall leaves and names files that were changed since the installation', () =>
  withBin(async ({ bin, payloads: [a] }) => {
    const { folder } = await installs(bin, a);
    writeFileSync(join(bin, 'tapwire'), 'somebody else’s');
    writeFileSync(join(bin, folder, 'index.js'), 'changed');
    const { exitCode, line } = await installer('uninstall', bin, NO_SOCKET);
    assert.is(exitCode, 1);
    const paths = [join(bin, 'tapwire'), join(bin, folder)].map((path) => `"${path}"`).join(', ');
    assert.is(
      line.message,
      `Cannot remove ${paths}: they differ from what was installed; examine them and remove them by hand`,
    );
    assert.equal(namesIn(bin), [`.tapwire-${tapwire.version}-x`, 'bridge', 'tapwire']);
  }));

test('uninstall deletes the last agent’s socket, but fails while an agent runs', () =>
  withBin(async ({ bin, folder, payloads: [a] }) => {
    await installs(bin, a);
    const before = treeOf(bin);
    mkdirSync(join(folder, 'run'));
    const socket = join(folder, 'run/agent.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${socket}.mine`, resolve));
    linkSync(`${socket}.mine`, socket);
    linkSync(`${socket}.mine`, `${socket}.live`);
    const refused = await installer('uninstall', bin, ['--agent-socket', socket]);
    assert.is(refused.exitCode, 1);
    assert.is(
      refused.line.message,
      `Cannot uninstall: an agent listens at "${socket}"; stop it first: docs/install.md#uninstall`,
    );
    assert.equal(treeOf(bin), before);

    await new Promise((resolve) => server.close(resolve));
    const { exitCode, line } = await installer('uninstall', bin, ['--agent-socket', socket]);
    assert.equal([exitCode, line.removed.slice(-2)], [0, [`${socket}.live`, socket]]);
    assert.is(
      lstatSync(join(folder, 'run'), { throwIfNoEntry: false }),
      undefined,
      'deletes the directory of the socket, which is empty then',
    );
  }));

/** A script that listens at a socket but accepts no client. */
const BUSY = `require('node:net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
  console.log('listening');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
})`;

test('uninstall treats a busy agent as a running agent', () =>
  withBin(async ({ bin, folder, payloads: [a] }) => {
    await installs(bin, a);
    const before = treeOf(bin);
    const socket = join(folder, 'agent.sock');
    const agent = execa(NODE, ['-e', BUSY, socket], { reject: false });
    await once(agent.stdout, 'data');
    const callers = Array.from({ length: 4 }, () => connect(socket).on('error', () => {}));
    const refused = await installer('uninstall', bin, ['--agent-socket', socket]);
    agent.kill('SIGKILL');
    for (const caller of callers) caller.destroy();
    assert.match(refused.line.message, /^Cannot uninstall: an agent listens at /);
    assert.equal(treeOf(bin), before);
    await agent;
  }));

test('uninstall leaves a plain file at the path of the agent’s socket', () =>
  withBin(async ({ bin, folder }) => {
    const path = join(folder, 'agent.sock');
    writeFileSync(path, '');
    assert.is((await installer('uninstall', bin, ['--agent-socket', path])).exitCode, 0);
    assert.ok(lstatSync(path).isFile());
  }));

test.run();
