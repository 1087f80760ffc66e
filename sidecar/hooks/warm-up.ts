import { connect, constants } from 'node:http2';
import { INFO_SERVICE } from './hooks-api.ts';

/** Time in ms within which Info must respond. */
const WARM_UP_TIMEOUT = 10_000;

/**
 * Calls Info once, so that virt-launcher's own call runs faster: the code is already loaded and
 * compiled. Also proves that clients can connect to the socket. socket.ts calls this before it
 * renames the socket into virt-launcher's directory.
 */
export async function warmUp(path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const session = connect('http://localhost', { path });
  session.on('error', reject);
  session.setTimeout(WARM_UP_TIMEOUT, () => reject(new Error(`no response within ${WARM_UP_TIMEOUT} ms`)));
  const call = session.request({
    ':method': 'POST',
    ':path': `/${INFO_SERVICE}/Info`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  call.on('error', reject);
  call.on('trailers', (trailers) => {
    if (trailers['grpc-status'] === '0') resolve();
    else reject(new Error(`Info failed with ${trailers['grpc-status']}`));
  });
  call.on('response', (headers, flags) => {
    // The call failed if the response has no message.
    if (flags & constants.NGHTTP2_FLAG_END_STREAM)
      reject(new Error(`Info failed with ${headers['grpc-status']}`));
  });
  call.end(Buffer.alloc(5));
  call.resume();
  try {
    await promise;
  } finally {
    session.destroy();
  }
}
