/**
 * Packs the output of `npm run build` into an image for this machine's architecture, without
 * pulling anything. Writes an OCI archive with all variants, and the root file system for
 * daemonset/Containerfile, to `dist/image`. Does nothing if they are up to date.
 *
 * Usage: image.ts [--quiet]
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { messageOf } from '../shared/errors.ts';
import { type Origin, variants } from './image/config.ts';
import { readContents, writeContents } from './image/contents.ts';
import { ociArchive } from './image/oci.ts';
import type { Entry } from './image/tar.ts';
import { isUpToDate, keyOf, writeStamp } from './up-to-date.ts';

process.chdir(`${import.meta.dirname}/..`);
process.umask(0o022);

const DIRECTORY = 'dist/image';

async function git(...args: readonly string[]): Promise<string | undefined> {
  const { stdout, exitCode } = await execa('git', args, { reject: false });
  return exitCode === 0 && stdout !== '' ? stdout : undefined;
}

/** Reads the origin from git; without git or a repository, all fields are absent. */
async function readOrigin(): Promise<Origin> {
  const [revision, seconds, remote] = await Promise.all([
    git('rev-parse', 'HEAD'),
    git('log', '-1', '--format=%ct'),
    git('remote', 'get-url', 'origin'),
  ]);
  const url = remote !== undefined && /^https?:/.test(remote) ? new URL(remote) : undefined;
  return {
    ...(revision === undefined ? {} : { revision }),
    ...(seconds === undefined ? {} : { created: new Date(Number(seconds) * 1000).toISOString() }),
    // Drops a user name and a token.
    ...(url === undefined ? {} : { source: `${url.origin}${url.pathname}` }),
  };
}

const sizeOf = (entry: Entry): number => (entry.kind === 'file' ? entry.content.length : 0);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function describe(entry: Entry): string {
  if (entry.kind === 'link') return `/${entry.path} -> ${entry.target}`;
  return `/${entry.path.padEnd(40)} ${String(sizeOf(entry)).padStart(11)}`;
}

async function makeImage(): Promise<void> {
  if (!existsSync('dist/install')) throw new Error('dist is missing; run "npm ci && npm run build"');
  const isQuiet = process.argv.includes('--quiet');
  const origin = await readOrigin();
  const inputs = ['dist/.stamp', 'LICENSE', 'package.json', 'scripts/*.ts', 'scripts/image/*.ts'];
  const key = keyOf(inputs, [process.version, process.arch, JSON.stringify(origin)]);
  if (isUpToDate(DIRECTORY, key)) {
    if (!isQuiet) console.log(`${DIRECTORY} is up to date`);
    return;
  }
  if (isQuiet) console.log('Packing the image');
  const contents = await readContents();
  const images = variants(process.arch, origin);
  const archive = await ociArchive(contents, images);
  writeContents(contents, `${DIRECTORY}/root`);
  const path = `${DIRECTORY}/tapwire.oci.tar`;
  writeFileSync(`${path}.new`, archive);
  renameSync(`${path}.new`, path);
  writeStamp(DIRECTORY, key);
  if (isQuiet) return;

  for (const entry of contents) if (entry.kind !== 'directory') console.log(describe(entry));
  const unpacked = contents.reduce((sum, entry) => sum + sizeOf(entry), 0);
  console.log(`\n${path}: ${megabytes(archive.length)}, unpacked ${megabytes(unpacked)}`);
  for (const { name } of images) console.log(`  ${name}`);
}

try {
  await makeImage();
} catch (error) {
  console.error(`Cannot build the image: ${messageOf(error)}`);
  process.exitCode = 1;
}
