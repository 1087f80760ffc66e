import type { ServerOptions } from '@grpc/grpc-js';

/** Settings that let a gRPC server run in 64 MB. */
export const SERVER_OPTIONS: ServerOptions = {
  // channelz records calls and connections for debugging. Tapwire does not read these records.
  'grpc.enable_channelz': 0,
  // Limit for each connection. virt-launcher makes one call over each connection.
  'grpc.max_concurrent_streams': 1,
  // In bytes. The domain and the VMI have at most 1 MiB each.
  'grpc.max_receive_message_length': 2.25 * 1024 * 1024,
  // In MB for each connection: header compression tables, and responses that the client has not
  // read.
  'grpc-node.max_session_memory': 2,
};
