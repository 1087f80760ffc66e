import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs';
import { parseJson } from '../../shared/decode.ts';
import { BindingError, messageOf } from '../../shared/errors.ts';
import { DEFAULT_POLICY, decodeNodePolicy, NODE_FILE, type NodePolicy } from './node-policy.ts';

/** Maximum size of the file in bytes. */
const MAX_SIZE = 64 * 1024;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Reads the node policy file. Returns the default policy if there is no file.
 *
 * @throws {BindingError} NOT_ALLOWED: a policy that cannot be trusted or read allows nothing
 */
export function readNodePolicy(path: string = NODE_FILE): NodePolicy {
  try {
    const text = read(path);
    return text === null ? DEFAULT_POLICY : decodeNodePolicy(parseJson(text, 'file'), '$');
  } catch (cause) {
    throw new BindingError('NOT_ALLOWED', `Cannot use node file "${path}": ${messageOf(cause)}`, { cause });
  }
}

function read(path: string): string | null {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
  // NONBLOCK: the call must not hang on a FIFO.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { uid, mode, size } = fstatSync(fd);
    const isRegular = (mode & constants.S_IFMT) === constants.S_IFREG;
    if (!isRegular || uid !== 0 || (mode & WRITABLE_BY_OTHERS) !== 0 || size > MAX_SIZE) {
      throw new Error(`want a regular file of root's, writable by nobody else, of at most ${MAX_SIZE} bytes`);
    }
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
