import { hash } from 'node:crypto';

/** Maximum length in bytes of a socket's path: the size of sockaddr_un.sun_path without the NUL. */
const MAX_SOCKET_PATH = 107;
const DIGITS = 16;

/**
 * Returns the name of a resource's socket in kubelet's directory, such as `tapwire.io_vm-lan.sock`.
 * A name with which the path would be too long is a hash instead.
 *
 * @param resource full name of the resource
 */
export function socketNameOf(resource: string, directory: string): string {
  const name = `${resource.replaceAll('/', '_')}.sock`;
  if (Buffer.byteLength(`${directory}/${name}`) <= MAX_SOCKET_PATH) return name;
  return `tapwire_${hash('sha256', resource, 'hex').slice(0, DIGITS)}.sock`;
}
