import { type Decoder, fields, integer, object, parseJson, string } from '../../shared/decode.ts';

/**
 * Lists the files of an installed version. It is stored next to them, and only listed files are
 * ever removed.
 */
export interface Inventory {
  readonly version: string;
  readonly shim: Content;
  /** Files of the fallback by path; empty if it was not installed. */
  readonly runtime: Readonly<Record<string, Content>>;
}

/** Identifies a file's content. */
export interface Content {
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
}

/** File name of the inventory in a version directory. */
export const INVENTORY = 'inventory.json';

/** File name of the shim, and of its fallback: a link to a version directory. */
export const SHIM = 'tapwire';
export const FALLBACK = '.tapwire';

/**
 * Staging directory under the CNI bin directory: a version is assembled there and moved by a
 * rename. Its name cannot be that of a plugin, and libcni takes only plain files for plugins.
 */
export const STAGING = /^\.tapwire\.new-/;
export const stagingName = (id: string): string => `.tapwire.new-${id}`;

/** Directory of a version. Names are never reused, so that a directory's content never changes. */
export const VERSION_DIRECTORY = /^\.tapwire-[^/]+$/;
export const versionDirectory = (version: string, id: string): string => `.tapwire-${version}-${id}`;

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

/** Paths of the files that differ between two inventories, sorted. */
export function differencesOf(wanted: Inventory['runtime'], found: Inventory['runtime']): readonly string[] {
  const paths = new Set([...Object.keys(wanted), ...Object.keys(found)]);
  return [...paths].filter((path) => !isSame(wanted[path], found[path])).sort();
}

export function isSame(one: Content | undefined, other: Content | undefined): boolean {
  return one?.sha256 === other?.sha256 && one?.mode === other?.mode;
}
