/**
 * The protocol between shim and agent on the agent's socket (cni/shim/exchange.c). Integers are
 * unsigned, 32 bits wide, in host order; every architecture that Tapwire supports is little-endian.
 *
 *   hello    agent to shim: the shim may send its request
 *   request  shim to agent: four integers (bytes of environment, bytes of stdin, errno of opening
 *            CNI_NETNS, errno of reading stdin), `NAME=value\0` for each variable, stdin. The
 *            descriptors of the shim's own netns and the pod's come with it.
 *   reply    agent to shim: three integers (exit status, bytes of stdout, bytes of stderr), stdout,
 *            stderr
 */
import { MAX_INPUT } from '../../cni/request/input.ts';
import type { Environment } from '../../cni/request/request.ts';

/** The last character is the version of the protocol. */
export const HELLO = Buffer.from('tapwire1');

const REQUEST_HEADER = 16;
const REPLY_HEADER = 12;
/**
 * Largest environment in bytes. Kubernetes sends about 1,000; the kernel alone would allow more.
 */
const MAX_ENVIRONMENT = 1024 * 1024;

/** A request's header. */
export interface Header {
  readonly environmentBytes: number;
  readonly stdinBytes: number;
  readonly netnsErrno: number;
  readonly stdinErrno: number;
}

/** One call of the plugin, as the shim saw it. */
export interface CallFrame {
  /** The variables that CNI defines; an object without a prototype. */
  readonly env: Environment;
  readonly stdin: Buffer;
  readonly stdinErrno: number;
  readonly netnsErrno: number;
}

/**
 * Decodes a request header.
 *
 * @returns `incomplete` to wait for more bytes; `invalid` to close the connection, because no shim
 * sends this
 */
export function decodeHeader(bytes: Buffer): Header | 'incomplete' | 'invalid' {
  if (bytes.length < REQUEST_HEADER) return 'incomplete';
  const [environmentBytes = 0, stdinBytes = 0, netnsErrno = 0, stdinErrno = 0] = [0, 4, 8, 12].map((offset) =>
    bytes.readUInt32LE(offset),
  );
  // One byte more tells that there is too much (cni/request/input.ts).
  if (environmentBytes > MAX_ENVIRONMENT || stdinBytes > MAX_INPUT + 1) return 'invalid';
  return { environmentBytes, stdinBytes, netnsErrno, stdinErrno };
}

/** Length of the whole request in bytes. */
export const requestLength = ({ environmentBytes, stdinBytes }: Header): number =>
  REQUEST_HEADER + environmentBytes + stdinBytes;

/** Decodes the request after its header. @param bytes the whole request */
export function decodeCall(header: Header, bytes: Buffer): CallFrame {
  const stdinStart = REQUEST_HEADER + header.environmentBytes;
  return {
    env: decodeEnvironment(bytes.toString('utf8', REQUEST_HEADER, stdinStart)),
    stdin: bytes.subarray(stdinStart),
    stdinErrno: header.stdinErrno,
    netnsErrno: header.netnsErrno,
  };
}

function decodeEnvironment(text: string): Environment {
  const env: Record<string, string> = Object.create(null);
  for (const variable of text.split('\0')) {
    const end = variable.indexOf('=');
    if (variable.startsWith('CNI_') && end > 0) env[variable.slice(0, end)] = variable.slice(end + 1);
  }
  return env;
}

export function encodeReply(exitStatus: number, stdout: string, stderr: string): Buffer {
  const [stdoutBytes, stderrBytes] = [Buffer.byteLength(stdout), Buffer.byteLength(stderr)];
  const reply = Buffer.allocUnsafe(REPLY_HEADER + stdoutBytes + stderrBytes);
  reply.writeUInt32LE(exitStatus, 0);
  reply.writeUInt32LE(stdoutBytes, 4);
  reply.writeUInt32LE(stderrBytes, 8);
  reply.write(stdout, REPLY_HEADER);
  reply.write(stderr, REPLY_HEADER + stdoutBytes);
  return reply;
}
