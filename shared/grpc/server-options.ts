import type { ServerOptions } from '@grpc/grpc-js';

/** Settings with which a gRPC server fits 64 MB. */
export const SERVER_OPTIONS: ServerOptions = {
  // channelz records calls and connections for debugging, and nobody reads the records.
  'grpc.enable_channelz': 0,
  // Per connection. virt-launcher makes one call over each connection.
  'grpc.max_concurrent_streams': 1,
  // Bytes. The domain and the VMI have at most 1 MiB each.
  'grpc.max_receive_message_length': 2.25 * 1024 * 1024,
  // MB of a connection: header compression tables, and replies that the client does not read.
  'grpc-node.max_session_memory': 2,
};
