import { type Decoder, fields, integer, object, parseJson, string } from '../../shared/decode.ts';

/** What was installed together, as it is written beside it: by this alone is known what may be removed. */
export interface Inventory {
  readonly version: string;
  readonly shim: Content;
  /** By their paths in the runtime's folder; none where it was not wanted. */
  readonly runtime: Readonly<Record<string, Content>>;
}

/** What tells a file from another one of its name. */
export interface Content {
  readonly sha256: string;
  /** Its permissions. */
  readonly mode: number;
}

/** In the folder of a version. */
export const INVENTORY = 'inventory.json';

/** What the shim is called, and what it falls back to: a link to the folder of a version. */
export const SHIM = 'tapwire';
export const RUNTIME = '.tapwire';

/**
 * Where a version is put together, below the CNI bin directory: a rename moves it to its place. No plugin can have such a name, and
 * nobody looks for programs there (libcni takes any plain file for a plugin).
 */
export const WORKSHOP = /^\.tapwire\.new-/;
export const workshopName = (id: string): string => `.tapwire.new-${id}`;

/** The folder of a version: its name is never used twice, so that nothing in it ever changes. */
export const VERSION_FOLDER = /^\.tapwire-[^/]+$/;
export const versionFolder = (version: string, id: string): string => `.tapwire-${version}-${id}`;

const content = fields<Content>({ sha256: string, mode: integer(0, 0o777) });
const contents: Decoder<Inventory['runtime']> = (value, path) =>
  Object.fromEntries(
    Object.entries(object(value, path)).map(([name, one]) => [name, content(one, `${path}.${name}`)]),
  );
const inventory = fields<Inventory>({ version: string, shim: content, runtime: contents });

/** @throws {BindingError} INVALID_JSON, INVALID_CONFIG */
export function parseInventory(text: string): Inventory {
  return inventory(parseJson(text, INVENTORY), '$');
}

export const formatInventory = (one: Inventory): string => `${JSON.stringify(one, null, 2)}\n`;

/** Whether two are of the same files; what differs is said by path. Sorted. */
export function differencesOf(wanted: Inventory['runtime'], found: Inventory['runtime']): readonly string[] {
  const paths = new Set([...Object.keys(wanted), ...Object.keys(found)]);
  return [...paths].filter((path) => !isSame(wanted[path], found[path])).sort();
}

export function isSame(one: Content | undefined, other: Content | undefined): boolean {
  return one?.sha256 === other?.sha256 && one?.mode === other?.mode;
}
