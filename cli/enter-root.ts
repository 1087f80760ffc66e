import { statSync } from 'node:fs';
import { keepShim } from '../cni/kernel/selinux.ts';
import { BindingError } from '../shared/errors.ts';
import { native, reasonOf } from '../shared/native/native.ts';

/**
 * Makes the mounted root of a node this process's root, so that all paths, symbolic links, programs
 * and sockets are the node's. There is no way back.
 *
 * @throws {BindingError} IO_FAILURE
 */
export function enterRoot(directory: string): void {
  try {
    if (!statSync(directory).isDirectory()) throw new Error('it is not a directory');
    keepShim();
    native.chroot(directory);
    process.chdir('/');
  } catch (cause) {
    const reason = `${reasonOf(cause)}; want the node's "/", as root with CAP_SYS_CHROOT`;
    throw new BindingError('IO_FAILURE', `Cannot enter "${directory}": ${reason}`, { cause });
  }
}
