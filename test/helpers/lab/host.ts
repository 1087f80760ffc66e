import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Programs of the lab, and the Debian packages that have them. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  tc: 'iproute2',
  dnsmasq: 'dnsmasq-base',
  tcpdump: 'tcpdump',
  libvirtd: 'libvirt-daemon',
  virsh: 'libvirt-clients',
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
};

const BUILT = ['dist/cni/tapwire', 'dist/sidecar/index.js'];

/**
 * The first requirement of a lab that this machine lacks, as the end of the sentence "it needs …";
 * undefined if it has all.
 */
export function missingOnHost(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'Linux on x86-64';
  if (process.getuid?.() !== 0) return 'root, for network namespaces and taps';
  if (!existsSync('/dev/net/tun')) return '/dev/net/tun, which the kernel here does not have (CONFIG_TUN)';
  for (const [program, source] of Object.entries(PROGRAMS)) {
    if (!isInPath(program)) return `the program "${program}" in PATH (Debian package ${source})`;
  }
  const closed = closedDirectory(tmpdir());
  if (closed !== undefined)
    return `a place for temporary files that any user may enter; ${closed} is not (TMPDIR)`;
  const unbuilt = BUILT.find((path) => !existsSync(join(import.meta.dirname, '../../..', path)));
  return unbuilt === undefined ? undefined : `${unbuilt}, which "npm run build" makes`;
}

/** The first directory of a path that uid 107 cannot enter. */
function closedDirectory(path: string): string | undefined {
  const parts = resolve(path).split('/').filter(Boolean);
  const ancestors = parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
  return ancestors.find(
    (directory) => !((statSync(directory, { throwIfNoEntry: false })?.mode ?? 0) & constants.S_IXOTH),
  );
}

function isInPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
