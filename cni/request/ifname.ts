import { type Decoder, mismatch, string } from '../../shared/decode.ts';

/** Maximum length of a link's name in bytes: IFNAMSIZ - 1 (linux/if.h). */
const MAX_IFNAME_BYTES = 15;
/** Names with another meaning in sysctl paths, and `lo`, which is never a pod link. */
const RESERVED = ['.', '..', 'lo', 'all', 'default'];

/**
 * Says why the kernel or CNI rejects `name` for a link; undefined if it is valid (CNI SPEC §2,
 * libcni ValidateInterfaceName).
 */
export function ifnameDefect(name: string): string | undefined {
  if (name === '') return 'interface name is empty';
  if (Buffer.byteLength(name) > MAX_IFNAME_BYTES) return 'interface name is too long';
  if (name === '.' || name === '..') return 'interface name is . or ..';
  if (name.includes('\0')) return 'interface name contains NUL'; // the kernel would read only what precedes it
  if (/[/:\s]/u.test(name)) return 'interface name contains / or : or whitespace characters';
  return undefined;
}

/**
 * Decodes the name of a pod link. Taps are named after a part of it, so every character must be one
 * byte.
 */
export const podIfname: Decoder<string> = (value, path) => {
  const name = string(value, path);
  if (!/^[!-~]*$/.test(name) || ifnameDefect(name) !== undefined || RESERVED.includes(name)) {
    throw mismatch(
      path,
      `the name of a pod link (1..15 printable ASCII characters, no "/" or ":", not ${RESERVED.join(', ')})`,
      value,
    );
  }
  return name;
};

/** Decodes the name of a link of the node. */
export const ifname: Decoder<string> = (value, path) => {
  const name = string(value, path);
  const defect = name === 'lo' ? 'lo is not a device of a network' : ifnameDefect(name);
  if (defect !== undefined) throw mismatch(path, `the name of a link of the node (${defect})`, value);
  return name;
};
