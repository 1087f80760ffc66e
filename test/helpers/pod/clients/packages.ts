/**
 * DHCP clients and network managers as Debian builds them. They are downloaded and unpacked, and
 * not installed: an installed one may start, and change the network of the machine.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../../../shared/errors.ts';
import { CACHE, makeParts, renameOrLose } from '../../lab/guest-debs.ts';

const PACKAGES = ['network-manager', 'isc-dhcp-client', 'dhcpcd-base', 'udhcpc', 'dbus-daemon'];

/** Directories that are links on a machine, into /usr. */
const MERGED = ['bin', 'sbin', 'lib', 'lib64'];

/** Files of one package, with the directories of `MERGED` below `usr/`. */
const UNPACK = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"';

const key = createHash('sha256').update(PACKAGES.join()).digest('hex').slice(0, 12);

/**
 * Directory with `usr` and `etc` of the clients, and of the libraries that this machine lacks. They
 * are downloaded once.
 *
 * @param say is called before a step that takes long
 */
export async function clientFiles(say: (what: string) => void = () => {}): Promise<string> {
  const directory = join(CACHE, `clients-${key}`);
  if (!existsSync(directory)) {
    say('Downloading DHCP clients');
    await buildAtomically(directory).catch((cause) => {
      throw new Error(`Cannot download ${PACKAGES.join(', ')}: ${messageOf(cause)}`, { cause });
    });
  }
  return directory;
}

async function buildAtomically(directory: string): Promise<void> {
  const parts = makeParts();
  try {
    await download(parts).catch(async () => {
      // for a machine whose package lists are missing, or older than the archive
      await execa('apt-get', ['update', '-qq']);
      await download(parts);
    });
    const root = join(parts, 'root');
    for (const name of MERGED) {
      mkdirSync(join(root, 'usr', name), { recursive: true });
      symlinkSync(`usr/${name}`, join(root, name));
    }
    for (const deb of readdirSync(parts).filter((name) => name.endsWith('.deb')))
      await execa('sh', ['-ec', UNPACK, 'unpack', join(parts, deb), root]);
    renameOrLose(root, directory);
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}

/** Downloads the packages and those that they need, unless this machine has them. */
async function download(directory: string): Promise<void> {
  const { stdout } = await execa('apt-get', ['install', '-s', '--no-install-recommends', ...PACKAGES]);
  // A package of which this machine has another version has its version in brackets next.
  const missing = [...stdout.matchAll(/^Inst (\S+) \(/gm)].map(([, name = '']) => name);
  await execa('apt-get', ['download', '-qq', ...missing], { cwd: directory });
}
