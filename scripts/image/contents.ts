/** The contents of the image: its root file system. */
import {
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, relative } from 'node:path';
import { librariesOf, nameInFallback } from '../libraries.ts';
import type { Entry } from './tar.ts';

/**
 * Directories of `dist` that become directories of `/app`. Only the files at the top of each are
 * copied: the packages' assets that a bundle brings are not used.
 */
const PROGRAMS = ['agent', 'install', 'sidecar', 'tapwire'];
/** What gets installed on a node. Its Node.js, libraries and loader are those of the image. */
const PLUGIN = 'app/cni';
const FALLBACK = `${PLUGIN}/.tapwire`;

/** Reads everything in the image from the output of `npm run build`, sorted by path. */
export async function readContents(): Promise<readonly Entry[]> {
  const files = [
    ...PROGRAMS.flatMap((program) => filesOf(`dist/${program}`, `app/${program}`)),
    fileAt('dist/cni/tapwire', `${PLUGIN}/tapwire`),
    ...filesOf('dist/cni/.tapwire', FALLBACK),
    ...filesOf('dist/cni/.tapwire/lib', `${FALLBACK}/lib`),
    fileAt('LICENSE', 'app/LICENSE'),
    linkTo(`${FALLBACK}/node`, 'app/node'),
    ...Array.from(await librariesOf(`dist/cni/.tapwire/node`), (path) =>
      linkTo(`${FALLBACK}/lib/${nameInFallback(path)}`, path.slice(1)),
    ),
  ];
  const directories = new Set(files.flatMap(({ path }) => directoriesAbove(path)));
  return [...files, ...Array.from(directories, (path): Entry => ({ path, kind: 'directory' }))].sort(
    (a, b) => (a.path < b.path ? -1 : 1),
  );
}

function filesOf(directory: string, place: string): Entry[] {
  return readdirSync(directory)
    .filter((name) => statSync(`${directory}/${name}`).isFile())
    .map((name) => fileAt(`${directory}/${name}`, `${place}/${name}`));
}

function fileAt(source: string, path: string): Entry {
  const isProgram = (statSync(source).mode & 0o111) !== 0;
  return { path, kind: 'file', content: readFileSync(source), isProgram };
}

const linkTo = (target: string, path: string): Entry => ({
  path,
  kind: 'link',
  target: relative(dirname(path), target),
});

function directoriesAbove(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [parent, ...directoriesAbove(parent)];
}

/**
 * Writes the contents to a directory, in place of what it held before: the build context of
 * daemonset/Containerfile.
 */
export function writeContents(entries: readonly Entry[], directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const entry of entries) {
    const path = `${directory}/${entry.path}`;
    if (entry.kind === 'directory') mkdirSync(path, { mode: 0o755 });
    else if (entry.kind === 'link') symlinkSync(entry.target, path);
    else writeFileSync(path, entry.content, { mode: entry.isProgram ? 0o755 : 0o644 });
  }
  // Innermost first: creating an entry changes the time of the directory that holds it.
  for (const { path, kind } of entries.toReversed()) {
    (kind === 'link' ? lutimesSync : utimesSync)(`${directory}/${path}`, 0, 0);
  }
}
