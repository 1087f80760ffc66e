import type { ServiceError } from '@grpc/grpc-js';
import { BindingError } from '../../shared/errors.ts';
import { Empty } from '../../shared/grpc/device-plugin_pb.ts';
import { status } from '../../shared/grpc/status.ts';
import { callUnary } from '../../shared/grpc/unary-call.ts';
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
  try {
    await callUnary({
      socket: kubelet,
      method: REGISTER,
      request: encodeRegisterRequest(resource, endpoint),
      decode: (reply) => Empty.decode(reply),
      deadline: Date.now() + TIMEOUT,
      maxReply: MAX_REPLY,
      signal,
    });
  } catch (cause) {
    const reason = `Cannot register "${resource}" with kubelet at "${kubelet}": ${describe(cause as ServiceError)}`;
    throw new BindingError('TRY_AGAIN', reason, { cause });
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
