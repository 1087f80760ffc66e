import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../../shared/errors.ts';

/** Directory of files that the lab keeps between runs. git ignores it. */
export const CACHE = join(import.meta.dirname, '../../../.cache');

const DEBS = join(CACHE, 'debs');

/**
 * Creates a directory for files that are moved into the cache when all are written. Removes those
 * of processes that were killed.
 */
export function makeParts(): string {
  mkdirSync(CACHE, { recursive: true });
  for (const name of readdirSync(CACHE)) {
    const [, pid] = /^part-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(CACHE, name), { recursive: true });
  }
  return mkdtempSync(join(CACHE, `part-${process.pid}-`));
}

/** A small kernel that has only drivers for virtual machines. */
const KERNEL = 'linux-image-cloud-amd64';
/** busybox has only a DHCPv4 client. */
const DHCPV6_CLIENT = 'isc-dhcp-client';

/** The packages that the guest is built from: downloaded once, never installed. */
export async function guestDebs(say: (what: string) => void): Promise<string[]> {
  if (!existsSync(DEBS)) {
    say("Downloading the guest's kernel and DHCPv6 client");
    await download();
  }
  return readdirSync(DEBS).map((name) => join(DEBS, name));
}

async function download(): Promise<void> {
  const parts = makeParts();
  try {
    await downloadTo(parts).catch(async () => {
      // for a machine whose package lists are missing, or older than the archive
      await apt(['apt-get', 'update', '-qq']);
      await downloadTo(parts);
    });
    renameOrLose(parts, DEBS);
  } catch (cause) {
    throw new Error(`Cannot download ${KERNEL} and ${DHCPV6_CLIENT}: ${messageOf(cause)}`, { cause });
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}

async function downloadTo(directory: string): Promise<void> {
  const kernel = await findKernel();
  if (kernel === undefined) throw new Error('apt does not know them');
  await apt(['apt-get', 'download', '-qq', kernel, DHCPV6_CLIENT], directory);
}

/** The package that the kernel's meta-package currently depends on. */
async function findKernel(): Promise<string | undefined> {
  const { stdout } = await execa('apt-cache', ['depends', KERNEL], { reject: false });
  return /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
}

async function apt([file, ...args]: [string, ...string[]], cwd = '/'): Promise<void> {
  const { failed, stderr, shortMessage } = await execa(file, args, { cwd, reject: false });
  if (failed) throw new Error(stderr.trim().split('\n').at(-1) || shortMessage);
}

/**
 * Moves a finished directory into place. If another process was faster, keeps that one, which is as
 * good.
 */
export function renameOrLose(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
    rmSync(from, { recursive: true, force: true });
  }
}
