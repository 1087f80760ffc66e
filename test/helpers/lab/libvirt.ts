import { chownSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { CACHE, makeParts, renameOrLose } from './guest-debs.ts';
import { type GuestImage, guestImage } from './guest-image.ts';
import type { Lab, LabPlace } from './lab.ts';
import { type Mount, QEMU_ID, shown, startInPod } from './pod-process.ts';
import { lastWords, run, waitFor } from './run.ts';

/** A libvirtd in the pod's netns, as uid 107. */
export interface Libvirt {
  /** Arguments of virsh that connect it to this libvirtd. */
  readonly virsh: readonly string[];
  /** The guest's files as this libvirtd sees them. */
  readonly image: GuestImage;
}

/**
 * QEMU's capabilities, as libvirt once probed them, which saves 4 s at each start. libvirt itself
 * detects when they are out of date.
 */
const PROBED = join(CACHE, 'qemu-capabilities');
const PROBED_BY_LIBVIRT = 'cache/libvirt/qemu/cache/capabilities';

/**
 * Settings of a container: there are no cgroups to set up, no security module and no log daemon.
 */
const QEMU_CONF = `
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
`;
const LIBVIRTD_CONF = `
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:stderr"
`;
/** libvirt looks up its own user, and an ordinary machine has no uid 107. */
const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nqemu:x:107:107:qemu:/:/bin/sh\n';
const GROUP = 'root:x:0:\nqemu:x:107:\n';

/** Starts libvirtd as virt-launcher does in its pod, and waits until it replies. */
export async function startLibvirt(lab: Lab): Promise<Libvirt> {
  const home = join(lab.dir, 'libvirt');
  writeHome(home);
  const image = await guestImage();
  const seen = shown(lab, image.dir, 'guest', 'directory');
  const config = join(home, 'config/libvirt/libvirtd.conf');
  const libvirtd = startInPod(
    lab,
    'libvirtd',
    [...fakeMachine(home), seen],
    ['libvirtd', '--config', config],
    {
      HOME: home,
      XDG_RUNTIME_DIR: join(home, 'run'),
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_CACHE_HOME: join(home, 'cache'),
    },
  );
  const virsh = ['env', `HOME=${home}`, 'virsh', '-q', '-c', libvirtUri(lab)];
  try {
    await waitFor(lab, 'answer', async () => {
      if (!libvirtd.isRunning()) throw new Error('it has ended');
      return run(lab, [...virsh, 'version']).catch(() => undefined);
    });
  } catch (cause) {
    throw new Error(`Cannot use libvirtd: ${messageOf(cause)}; it said: ${lastWords(libvirtd)}`, { cause });
  }
  keepProbed(home);
  return { virsh, image: { ...image, dir: seen.to } };
}

/** URI by which any libvirt client on this machine finds the lab's libvirtd. */
export function libvirtUri({ dir }: LabPlace): string {
  return `qemu+unix:///session?socket=${join(dir, 'libvirt/run/libvirt/libvirt-sock')}`;
}

function writeHome(home: string): void {
  for (const path of ['', 'run', 'config/libvirt', PROBED_BY_LIBVIRT])
    mkdirSync(join(home, path), { recursive: true });
  if (existsSync(PROBED)) cpSync(PROBED, join(home, PROBED_BY_LIBVIRT), { recursive: true });
  writeFileSync(join(home, 'config/libvirt/qemu.conf'), QEMU_CONF);
  writeFileSync(join(home, 'config/libvirt/libvirtd.conf'), LIBVIRTD_CONF);
  chownAll(home);
  // The mounts are made read-only afterwards, so that the container cannot write to them.
  writeFileSync(join(home, 'passwd'), PASSWD);
  writeFileSync(join(home, 'group'), GROUP);
  writeFileSync(join(home, 'no-kvm'), '', { mode: 0o600 });
}

function chownAll(home: string): void {
  const paths = readdirSync(home, { recursive: true, encoding: 'utf8' });
  for (const path of ['', ...paths]) chownSync(join(home, path), QEMU_ID, QEMU_ID);
}

/**
 * If /dev/kvm exists but is unusable (nested, or for other kernels only), probing takes a minute.
 */
function fakeMachine(home: string): Mount[] {
  const mounts = [
    { from: join(home, 'passwd'), to: '/etc/passwd' },
    { from: join(home, 'group'), to: '/etc/group' },
  ];
  return existsSync('/dev/kvm') ? [...mounts, { from: join(home, 'no-kvm'), to: '/dev/kvm' }] : mounts;
}

/**
 * Keeps the probed capabilities for the next lab. They are renamed into place, because another lab
 * may do the same now.
 */
function keepProbed(home: string): void {
  if (existsSync(PROBED)) return;
  const parts = makeParts();
  try {
    cpSync(join(home, PROBED_BY_LIBVIRT), join(parts, 'done'), { recursive: true });
    renameOrLose(join(parts, 'done'), PROBED);
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}
