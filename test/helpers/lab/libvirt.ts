import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { CACHE, renameOrLose } from './guest-debs.ts';
import { type GuestImage, guestImage } from './guest-image.ts';
import type { Lab, LabPlace } from './lab.ts';
import { type Mount, QEMU_ID, shown, startInPod } from './pod-process.ts';
import { lastWords, run, waitFor } from './run.ts';

/** A libvirtd in the pod's netns, as uid 107. */
export interface Libvirt {
  /** The arguments that make virsh talk to it. */
  readonly virsh: readonly string[];
  /** The guest's files as this libvirtd sees them. */
  readonly image: GuestImage;
}

/** What QEMU can do, as libvirt probed it once: 4 s saved at each start. Libvirt itself sees when it is out of date. */
const PROBED = join(CACHE, 'qemu-capabilities');
const PROBED_BY_LIBVIRT = 'cache/libvirt/qemu/cache/capabilities';

/** Of the container: there are no cgroups to set up, no security module, no log daemon. */
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
/** libvirt looks itself up here, and finds no uid 107 on an ordinary machine. */
const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nqemu:x:107:107:qemu:/:/bin/sh\n';
const GROUP = 'root:x:0:\nqemu:x:107:\n';

/** Starts libvirtd as virt-launcher does in its pod, and waits until it answers. */
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

/** Where any libvirt client on this machine finds the lab's libvirtd. */
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
  // After that, so that the container cannot write them.
  writeFileSync(join(home, 'passwd'), PASSWD);
  writeFileSync(join(home, 'group'), GROUP);
  writeFileSync(join(home, 'no-kvm'), '', { mode: 0o600 });
}

function chownAll(home: string): void {
  const paths = readdirSync(home, { recursive: true, encoding: 'utf8' });
  for (const path of ['', ...paths]) chownSync(join(home, path), QEMU_ID, QEMU_ID);
}

/** Where /dev/kvm is there but of no use (nested, or for other kernels only), probing it takes a minute. */
function fakeMachine(home: string): Mount[] {
  const mounts = [
    { from: join(home, 'passwd'), to: '/etc/passwd' },
    { from: join(home, 'group'), to: '/etc/group' },
  ];
  return existsSync('/dev/kvm') ? [...mounts, { from: join(home, 'no-kvm'), to: '/dev/kvm' }] : mounts;
}

/** Keeps what was probed for the next lab; renamed in place, as another lab may do the same now. */
function keepProbed(home: string): void {
  if (existsSync(PROBED)) return;
  const parts = mkdtempSync(join(CACHE, 'part-'));
  try {
    cpSync(join(home, PROBED_BY_LIBVIRT), join(parts, 'done'), { recursive: true });
    renameOrLose(join(parts, 'done'), PROBED);
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}
