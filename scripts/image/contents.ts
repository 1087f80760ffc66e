/** The root file system of the image. */
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
import { librariesOf, nameInRuntime } from '../libraries.ts';
import type { Entry } from './tar.ts';

/** Programs: each folder of dist becomes one of /app. Of what a bundle brings, its own files run; assets of packages do not. */
const PROGRAMS = ['agent', 'install', 'sidecar', 'tapwire'];
/** What gets installed on a node. Its Node.js, libraries and loader are those of the image. */
const PLUGIN = 'app/cni';
const RUNTIME = `${PLUGIN}/.tapwire`;

/** Everything in the image, in the order of the paths, from what `npm run build` has made. */
export async function rootEntries(): Promise<readonly Entry[]> {
  const files = [
    ...PROGRAMS.flatMap((program) => filesOf(`dist/${program}`, `app/${program}`)),
    fileAt('dist/cni/tapwire', `${PLUGIN}/tapwire`),
    ...filesOf('dist/cni/.tapwire', RUNTIME),
    ...filesOf('dist/cni/.tapwire/lib', `${RUNTIME}/lib`),
    fileAt('LICENSE', 'app/LICENSE'),
    linkTo(`${RUNTIME}/node`, 'app/node'),
    ...Array.from(await librariesOf(`dist/cni/.tapwire/node`), (path) =>
      linkTo(`${RUNTIME}/lib/${nameInRuntime(path)}`, path.slice(1)),
    ),
  ];
  const folders = new Set(files.flatMap(({ path }) => foldersAbove(path)));
  return [...files, ...Array.from(folders, (path): Entry => ({ path, kind: 'folder' }))].sort((a, b) =>
    a.path < b.path ? -1 : 1,
  );
}

function filesOf(folder: string, place: string): Entry[] {
  return readdirSync(folder)
    .filter((name) => statSync(`${folder}/${name}`).isFile())
    .map((name) => fileAt(`${folder}/${name}`, `${place}/${name}`));
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

function foldersAbove(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [parent, ...foldersAbove(parent)];
}

/** Lays the entries out below a folder that may hold what was there before: the build context of daemonset/Containerfile. */
export function writeRoot(entries: readonly Entry[], folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const entry of entries) {
    const path = `${folder}/${entry.path}`;
    if (entry.kind === 'folder') mkdirSync(path, { mode: 0o755 });
    else if (entry.kind === 'link') symlinkSync(entry.target, path);
    else writeFileSync(path, entry.content, { mode: entry.isProgram ? 0o755 : 0o644 });
  }
  // Innermost first: whatever is made in a folder changes its time.
  for (const { path, kind } of entries.toReversed()) {
    (kind === 'link' ? lutimesSync : utimesSync)(`${folder}/${path}`, 0, 0);
  }
}
