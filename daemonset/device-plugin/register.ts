import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { BindingError } from '../../shared/errors.ts';
import { status } from '../../shared/grpc/status.ts';
import { encodeRegisterRequest, REGISTER } from './plugin-api.ts';

/** In ms. kubelet connects to the plugin before it replies, and waits 10 s for that. */
const TIMEOUT = 15_000;
/** Bytes. The reply is empty. */
const MAX_REPLY = 4096;

/**
 * Registers a plugin with kubelet.
 *
 * @param kubelet path of kubelet's socket
 * @param endpoint name of the plugin's socket, in the same directory
 * @throws {BindingError} TRY_AGAIN with kubelet's words
 */
export async function register(
  kubelet: string,
  resource: string,
  endpoint: string,
  signal: AbortSignal,
): Promise<void> {
  const client = new Client(`unix:${kubelet}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_REPLY,
    // Otherwise a new client waits until the pause after the failure of an earlier one has ended.
    'grpc.use_local_subchannel_pool': 1,
  });
  const request = Buffer.from(encodeRegisterRequest(resource, endpoint));
  try {
    await new Promise<void>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        REGISTER,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        request,
        { deadline: Date.now() + TIMEOUT },
        (error) => (error === null ? resolve() : reject(error)),
      );
      signal.addEventListener('abort', () => call.cancel(), { once: true });
    });
  } catch (cause) {
    const reason = `Cannot register "${resource}" with kubelet at "${kubelet}": ${describe(cause as ServiceError)}`;
    throw new BindingError('TRY_AGAIN', reason, { cause });
  } finally {
    client.close();
  }
}

/** Says the same for the same failure: grpc-js adds times to its texts. */
function describe({ code, details }: ServiceError): string {
  switch (code) {
    case status.DEADLINE_EXCEEDED:
      return `no reply within ${TIMEOUT / 1000} s; look at kubelet's log`;
    case status.UNAVAILABLE:
      return 'it accepts no connections; check that kubelet runs, and $.macvtap.kubeletDirectory of the node policy file';
    default:
      return `${details}; look at kubelet's log`;
  }
}
