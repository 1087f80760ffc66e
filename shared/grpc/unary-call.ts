import { Client, credentials } from '@grpc/grpc-js';

/** One call to a gRPC server on this node. */
export interface UnaryCall<Reply extends object> {
  /** Path of the server's socket. */
  readonly socket: string;
  /** `/package.Service/Method` */
  readonly method: string;
  readonly request: Uint8Array;
  /** What it throws becomes the status INTERNAL. grpc-js takes null for a missing reply. */
  decode(reply: Buffer): Reply;
  /** When the call fails, as Date.now() counts. */
  readonly deadline: number;
  /** Maximum size of the reply in bytes. */
  readonly maxReply: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/**
 * Makes a call over a connection of its own.
 *
 * @throws {ServiceError} with the status; grpc-js adds times to the texts of some of them
 */
export async function callUnary<Reply extends object>(call: UnaryCall<Reply>): Promise<Reply> {
  const { socket, method, request, decode, deadline, maxReply, signal } = call;
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxReply,
    // Otherwise a new client waits until the pause after the failure of an earlier one has ended.
    'grpc.use_local_subchannel_pool': 1,
  });
  try {
    return await new Promise<Reply>((resolve, reject) => {
      const running = client.makeUnaryRequest(
        method,
        asIs,
        decode,
        Buffer.from(request),
        { deadline },
        (error, reply) => (error === null && reply !== undefined ? resolve(reply) : reject(error)),
      );
      signal?.addEventListener('abort', () => running.cancel(), { once: true });
    });
  } finally {
    client.close();
  }
}

const asIs = (bytes: Buffer): Buffer => bytes;
