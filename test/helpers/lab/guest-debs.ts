import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../../shared/errors.ts';

/** What the lab keeps from run to run; git ignores it. */
export const CACHE = join(import.meta.dirname, '../../../.cache');

const DEBS = join(CACHE, 'debs');
/** A small kernel with drivers for virtual machines alone. */
const KERNEL = 'linux-image-cloud-amd64';
/** busybox has a client for DHCPv4 only. */
const DHCPV6_CLIENT = 'isc-dhcp-client';

/** The packages that the guest is made from: downloaded once, never installed. */
export async function guestDebs(say: (what: string) => void): Promise<string[]> {
  if (!existsSync(DEBS)) {
    say("Downloading the guest's kernel and DHCPv6 client");
    await download();
  }
  return readdirSync(DEBS).map((name) => join(DEBS, name));
}

async function download(): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const parts = mkdtempSync(join(CACHE, 'part-'));
  try {
    await downloadTo(parts).catch(async () => {
      await apt(['apt-get', 'update', '-qq']); // a machine whose package lists are gone, or older than the archive
      await downloadTo(parts);
    });
    renameOrLose(parts, DEBS);
  } catch (cause) {
    throw new Error(`Cannot download ${KERNEL} and ${DHCPV6_CLIENT}: ${messageOf(cause)}`, { cause });
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}

async function downloadTo(folder: string): Promise<void> {
  const kernel = await findKernel();
  if (kernel === undefined) throw new Error('apt does not know them');
  await apt(['apt-get', 'download', '-qq', kernel, DHCPV6_CLIENT], folder);
}

/** The package that the kernel's meta-package stands for today. */
async function findKernel(): Promise<string | undefined> {
  const { stdout } = await execa('apt-cache', ['depends', KERNEL], { reject: false });
  return /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
}

async function apt([file, ...args]: [string, ...string[]], cwd = '/'): Promise<void> {
  const { failed, stderr, shortMessage } = await execa(file, args, { cwd, reject: false });
  if (failed) throw new Error(stderr.trim().split('\n').at(-1) || shortMessage);
}

/** Puts a finished directory in its place; when another process was faster, its one is as good. */
export function renameOrLose(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
    rmSync(from, { recursive: true, force: true });
  }
}
