/** Values that keys of several bindings have in common. */
import { type Decoder, either, integer, mismatch, oneOf, string } from '../../shared/decode.ts';

/** Uid and gid of QEMU in virt-launcher (kubevirt pkg/util NonRootUID). */
export const QEMU = 107;
/** The largest uid or gid: to the kernel, 2^32 - 1 means "no id". */
export const MAX_ID = 2 ** 32 - 2;
/** Decodes an MTU: from the minimum of RFC 791 to the maximum of a 16-bit length. */
export const mtu = integer(68, 65535);

/** Decodes a uid or gid, or "none" as null. */
export const ownership =
  (max: number): Decoder<number | null> =>
  (value, path) => {
    const decoded = either(integer(0, max), oneOf('none'), `an integer in 0..${max} or "none"`)(value, path);
    return decoded === 'none' ? null : decoded;
  };

/** Decodes an SELinux context. */
export const selinuxContext: Decoder<string> = (value, path) => {
  const context = string(value, path);
  if (!/^[\w.]+:[\w.]+:[\w.]+(:[\w.:,-]+)?$/.test(context) || context.length > 256) {
    throw mismatch(path, 'an SELinux context such as "system_u:system_r:container_t:s0"', value);
  }
  return context;
};
