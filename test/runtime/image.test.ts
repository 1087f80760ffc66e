/**
 * The image as a file: its contents, and that another builder produces the same from the
 * Containerfile.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { variants } from '../../scripts/image/config.ts';
import { readContents } from '../../scripts/image/contents.ts';
import { ociArchive } from '../../scripts/image/oci.ts';
import {
  ARCHIVE,
  blob,
  IMAGE_FOLDER,
  type Listed,
  listLayer,
  readJson,
  readMember,
} from '../helpers/cluster/image.ts';

const test = suite('the image');

const CONTAINERFILE = resolve(import.meta.dirname, '../../daemonset/Containerfile');
const MAX_SIZE = 150_000_000; // bytes

const sha256 = (content: Uint8Array): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

const index = readJson(ARCHIVE, 'index.json');
// biome-ignore lint/suspicious/noExplicitAny: an image's manifest
const manifests: any[] = index.manifests.map(({ digest }: { digest: string }) =>
  readJson(ARCHIVE, blob(digest)),
);
const configs = manifests.map(({ config }) => readJson(ARCHIVE, blob(config.digest)));
const layer = readMember(ARCHIVE, blob(manifests[0]?.layers[0].digest));
const files = listLayer(layer);

test('every blob has the digest and size that its descriptor names', () => {
  for (const { digest, size } of [
    ...index.manifests,
    ...manifests.flatMap(({ config, layers }) => [config, ...layers]),
  ]) {
    const content = readMember(ARCHIVE, blob(digest));
    assert.equal([sha256(content), content.length], [digest, size]);
  }
});

test('the first image sets no binding, and the others differ from it by one variable', () => {
  const names = index.manifests.map((one: { annotations: object }) => Object.values(one.annotations));
  const { version } = tapwire;
  assert.equal(
    names,
    ['', '-passt', '-slirp'].map((end) => [`localhost/tapwire:${version}${end}`, version + end]),
  );
  assert.is(new Set(manifests.map(({ layers }) => JSON.stringify(layers))).size, 1);
  const [first, ...others] = configs;
  assert.equal(
    configs.map(({ config }) => config.Env),
    [[], ['TAPWIRE_BINDING=passt'], ['TAPWIRE_BINDING=slirp']].map((own) => [...own, 'MALLOC_ARENA_MAX=1']),
  );
  for (const other of others)
    assert.equal({ ...other, config: { ...other.config, Env: first.config.Env } }, first);
});

test('the image is a sidecar for an unprivileged user and describes itself', () => {
  for (const { architecture, os, config, rootfs } of configs) {
    assert.equal([architecture, os], [process.arch === 'x64' ? 'amd64' : process.arch, 'linux']);
    assert.equal(config.Entrypoint, ['/app/node', '/app/sidecar/index.js']);
    assert.is(config.User, '107:107');
    const { title, version, licenses, description } = Object.fromEntries(
      Object.entries(config.Labels).map(([key, value]) => [
        key.replace('org.opencontainers.image.', ''),
        value,
      ]),
    );
    assert.equal(
      { title, version, licenses, description },
      {
        title: 'tapwire',
        version: tapwire.version,
        licenses: tapwire.license,
        description: tapwire.description,
      },
    );
    assert.is(rootfs.diff_ids.length, 1);
  }
});

test('the root file system is below 150 MB, and the archive below half of that', () => {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  assert.ok(size > 100_000_000 && size < MAX_SIZE, `${size} bytes`);
  assert.ok(statSync(ARCHIVE).size < MAX_SIZE / 2, `${statSync(ARCHIVE).size} bytes`);
});

test('every file is root’s, dated 1970 and writable by no other user, and none is setuid', () => {
  const allowed = ['drwxr-xr-x', '-rwxr-xr-x', '-rw-r--r--', 'lrwxrwxrwx'];
  const strays = files.filter(
    ({ mode, owner, time }) => !allowed.includes(mode) || owner !== '0/0' || time !== '1970-01-01 00:00:00',
  );
  assert.equal(strays, []);
});

test("the image has one Node.js and no programs except Tapwire's: no shell, no package manager", () => {
  const programs = files.filter(({ mode }) => mode === '-rwxr-xr-x').map(({ path }) => path);
  const ours = /^app\/(agent|install|sidecar|tapwire|cni\/\.tapwire)\/(tapwire|tapwire\.node)$/;
  assert.equal(
    programs.filter((path) => !ours.test(path)),
    [
      'app/cni/.tapwire/lib/ld.so',
      'app/cni/.tapwire/lib/libc.so.6', // It prints its version when it runs.
      'app/cni/.tapwire/node',
      'app/cni/tapwire',
    ],
  );
});

test('no link leads out of the image or nowhere', () => {
  const paths = files.map(({ path }) => path);
  const links = files.filter((file): file is Listed & { target: string } => file.target !== undefined);
  assert.ok(links.length > 5);
  assert.equal(
    links.filter(({ path, target }) => !paths.includes(posix.join(posix.dirname(path), target))),
    [],
  );
});

test('the command line in the image checks stdin as the user of the image, as docs/no-network.md says', async () => {
  const command = ['/app/node', '/app/tapwire/index.js', 'check'];
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/no-network.md'), 'utf8');
  const [node, ...rest] = command;
  assert.match(page, `--entrypoint ${node} IMAGE ${rest.join(' ')} --kubevirt VERSION -`);
  const [user] = configs.map(({ config }) => config.User);
  const args = [`--userspec=${user}`, `${IMAGE_FOLDER}/root`, ...command, '--kubevirt', '1.8', '-'];
  const input = readFileSync(resolve(import.meta.dirname, '../../nad/tap/vm-secondary.yaml'));
  const { exitCode, stdout, stderr } = await execa('chroot', args, { input, reject: false });
  assert.equal([exitCode, stdout], [0, '']);
  assert.match(stderr, /^Not checked: registration of binding "tapwire-secondary";.*\n2 objects checked/);
});

test('a second build gives the same bytes', async () => {
  const build = async () => ociArchive(await readContents(), variants(process.arch, {}));
  const [one, other] = [await build(), await build()];
  assert.ok(one.equals(other), 'both archives have the same bytes');
  assert.ok(one.includes(Buffer.from(layer)), 'they have the layer of the image');
});

test('buildah builds the same image from the Containerfile', async () => {
  const place = mkdtempSync(join(tmpdir(), 'tapwire-buildah-'));
  try {
    const buildah = (...args: readonly string[]) =>
      execa('buildah', [
        '--root',
        `${place}/root`,
        '--runroot',
        `${place}/run`,
        '--storage-driver',
        'vfs',
        ...args,
      ]);
    const isolation = ['--isolation', 'chroot', '--file', CONTAINERFILE, '--build-arg', 'BINDING=passt'];
    await buildah('build', ...isolation, '--tag', 'tapwire', IMAGE_FOLDER);
    const archive = `${place}/image.tar`;
    await buildah('push', '--quiet', 'tapwire', `oci-archive:${archive}`);
    const [{ digest }] = readJson(archive, 'index.json').manifests;
    const manifest = readJson(archive, blob(digest));
    const { architecture, os, config } = readJson(archive, blob(manifest.config.digest));

    const { Labels: labels, ...wanted } = configs[1].config;
    assert.equal([architecture, os], [configs[1].architecture, configs[1].os]);
    const { 'io.buildah.version': _, ...builtLabels } = config.Labels;
    // buildah adds PATH by itself, which names directories that the image does not have.
    const env = config.Env.filter((variable: string) => !variable.startsWith('PATH='));
    assert.equal({ ...config, Labels: {}, Env: env }, { ...wanted, Labels: {} });
    for (const [key, value] of Object.entries(builtLabels)) assert.is(labels[key], value, key);
    assert.is(Object.keys(builtLabels).length, 4);

    const [{ digest: layerDigest }] = manifest.layers;
    const strip = (list: readonly Listed[]) =>
      list.filter(({ path }) => path !== '.' && path !== '').map(({ time: _, ...rest }) => rest);
    assert.equal(
      strip(listLayer(readMember(archive, blob(layerDigest)))).toSorted((a, b) => (a.path < b.path ? -1 : 1)),
      strip(files),
    );
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

test.run();
