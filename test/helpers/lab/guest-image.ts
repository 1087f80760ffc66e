import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { CACHE, guestDebs, makeParts, renameOrLose } from './guest-debs.ts';

/** Kernel and initramfs of the lab's guest. */
export interface GuestImage {
  /** Directory of both. */
  readonly dir: string;
  readonly kernel: 'vmlinuz';
  readonly initrd: 'initrd';
}

const SCRIPTS = join(import.meta.dirname, 'guest');
/**
 * In the order of their dependencies. insmod loads no dependencies, and a guest without a module
 * has no NIC.
 */
const MODULES = [
  'virtio_ring',
  'virtio',
  'virtio_pci_legacy_dev',
  'virtio_pci_modern_dev',
  'virtio_pci',
  'failover',
  'net_failover',
  'virtio_net',
];

/**
 * tar fails for patterns that match only in the other package; missing files are reported below.
 */
const UNPACK =
  'deb=$1; into=$2; shift 2; dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into" --wildcards "$@" 2>/dev/null || true';

/**
 * Builds the guest from the downloaded packages and the repository's init, if any of them has
 * changed.
 *
 * @param say is called before a step that takes long
 */
export async function guestImage(say: (what: string) => void = () => {}): Promise<GuestImage> {
  const debs = await guestDebs(say);
  const dir = join(CACHE, `guest-${sourceKey(debs)}`);
  if (!existsSync(dir)) {
    say('Building the guest');
    await buildAtomically(dir, debs);
  }
  return { dir, kernel: 'vmlinuz', initrd: 'initrd' };
}

function sourceKey(debs: readonly string[]): string {
  const hash = createHash('sha256');
  // A deb's name contains its version.
  for (const deb of debs.map((path) => basename(path)).sort()) hash.update(deb);
  for (const script of readdirSync(SCRIPTS).sort()) hash.update(readFileSync(join(SCRIPTS, script)));
  hash.update(readFileSync(import.meta.filename));
  return hash.digest('hex').slice(0, 12);
}

async function buildAtomically(dir: string, debs: readonly string[]): Promise<void> {
  const parts = makeParts();
  try {
    const done = join(parts, 'done');
    mkdirSync(done);
    chmodSync(done, 0o755);
    await build(parts, done, debs);
    renameOrLose(done, dir);
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}

async function build(parts: string, done: string, debs: readonly string[]): Promise<void> {
  const files = join(parts, 'files');
  mkdirSync(files);
  const wanted = ['*/vmlinuz-*', '*/sbin/dhclient', ...MODULES.map((name) => `*/${name}.ko*`)];
  for (const deb of debs) {
    await execa('sh', ['-c', UNPACK, 'unpack', deb, files, ...wanted]);
  }
  const extracted = readdirSync(files, { recursive: true, encoding: 'utf8' }).map((path) =>
    join(files, path),
  );
  const find = (pattern: RegExp) => extracted.find((path) => pattern.test(path));
  const kernel = find(/\/vmlinuz-/);
  const dhclient = find(/\/dhclient$/);
  if (kernel === undefined || dhclient === undefined)
    throw new Error(`Cannot build the guest: no kernel or dhclient in ${debs.join(', ')}`);

  const root = join(parts, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  cpSync(SCRIPTS, root, { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  symlinkSync('busybox', join(root, 'bin/sh'));
  await copyProgram(dhclient, root);
  await copyModules(find, root);

  copyFileSync(kernel, join(done, 'vmlinuz'));
  await execa({ shell: true, cwd: root })`find . | cpio -o -H newc --quiet -R 0:0 > ${join(done, 'initrd')}`;
  for (const name of readdirSync(done)) chmodSync(join(done, name), 0o644); // QEMU runs as uid 107.
}

async function copyModules(find: (pattern: RegExp) => string | undefined, root: string): Promise<void> {
  const target = join(root, 'modules');
  mkdirSync(target);
  const order: string[] = [];
  for (const name of MODULES) {
    const path = find(new RegExp(`/${name}\\.ko(\\.xz)?$`));
    if (path === undefined) continue; // built into this kernel
    if (path.endsWith('.xz')) {
      const { stdout } = await execa('/bin/busybox', ['xz', '-dc', path], { encoding: 'buffer' });
      writeFileSync(join(target, `${name}.ko`), stdout);
    } else {
      copyFileSync(path, join(target, `${name}.ko`));
    }
    order.push(`${name}.ko`);
  }
  writeFileSync(join(target, 'order'), order.map((line) => `${line}\n`).join(''));
}

/** Copies a program and the libraries that it is linked with. */
async function copyProgram(path: string, root: string): Promise<void> {
  copyFileSync(path, join(root, 'bin', basename(path)));
  const { stdout } = await execa('ldd', [path]);
  for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    if (library === undefined) continue;
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
}
