import { type Decoder, mismatch, string } from '../shared/decode.ts';

/** Bytes of a link's name: IFNAMSIZ - 1 (linux/if.h). */
const MAX_IFNAME_BYTES = 15;
/** Names that mean something else in sysctl paths, and the one link that is never a pod link. */
const RESERVED = ['.', '..', 'lo', 'all', 'default'];

/** Why the kernel or CNI would not take `name` for a link; undefined when it is fine (CNI SPEC §2, libcni ValidateInterfaceName). */
export function ifnameDefect(name: string): string | undefined {
  if (name === '') return 'interface name is empty';
  if (Buffer.byteLength(name) > MAX_IFNAME_BYTES) return 'interface name is too long';
  if (name === '.' || name === '..') return 'interface name is . or ..';
  if (/[/:\s]/u.test(name)) return 'interface name contains / or : or whitespace characters';
  return undefined;
}

/** A link that the configuration names. */
export const ifname: Decoder<string> = (value, path) => {
  const name = string(value, path);
  if (ifnameDefect(name) !== undefined || RESERVED.includes(name)) {
    throw mismatch(
      path,
      `the name of a pod link (1..15 bytes, no "/", ":" or space, not ${RESERVED.join(', ')})`,
      value,
    );
  }
  return name;
};
