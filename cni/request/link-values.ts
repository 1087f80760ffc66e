/** Values that keys of several bindings have in common. */
import { integer } from '../../shared/decode.ts';

/** Uid and gid of QEMU in virt-launcher (kubevirt pkg/util NonRootUID). */
export const QEMU = 107;
/** The largest uid or gid: to the kernel, 2^32 - 1 means "no id". */
export const MAX_ID = 2 ** 32 - 2;
/** Decodes an MTU: from the minimum of RFC 791 to the maximum of a 16-bit length. */
export const mtu = integer(68, 65535);
