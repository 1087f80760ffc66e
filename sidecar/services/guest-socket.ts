import { createSocket, type Socket } from 'node:dgram';
import { ADVERTISEMENT_ID } from '../../shared/guest-services.ts';
import { native } from '../../shared/native/native.ts';
import { release } from '../memory.ts';

/** The services, in the order of `enum service` in guest-socket.h. */
const SERVICES = ['dhcp4', 'dhcp6', 'advertisement'] as const;
export type Service = (typeof SERVICES)[number];

/** Memory in bytes that a message and its answer leave behind, most of it outside of V8's heap. */
const MESSAGE_SIZE = 8192;
/** Messages that wait until the kernel takes them. */
const MAX_UNSENT = 16;

export interface Sender {
  readonly address: string;
  readonly port: number;
}

/** The socket on which a service hears the guest of a tap, and answers it. */
export class GuestSocket {
  readonly #socket: Socket;
  readonly #onLoss: (code: string) => void;

  /**
   * @param onError called once if the socket is unusable from now on
   * @param onLoss called with the kernel's reason, such as `ENETUNREACH`, for each message that it
   * does not send
   * @throws {unknown} an error of the addon
   */
  constructor(
    service: Service,
    tap: string,
    onMessage: (message: Buffer, sender: Sender) => void,
    onError: (error: Error) => void,
    onLoss: (code: string) => void,
  ) {
    const fd = native.openGuestSocket(SERVICES.indexOf(service), tap, ADVERTISEMENT_ID);
    this.#onLoss = onLoss;
    this.#socket = createSocket(service === 'dhcp4' ? 'udp4' : 'udp6');
    this.#socket.on('message', (message, sender) => {
      release(MESSAGE_SIZE);
      onMessage(message, sender);
    });
    this.#socket.once('error', onError);
    this.#socket.bind({ fd });
  }

  /**
   * Sends a message, or loses it: the guest asks again. Of those that wait, because the guest does
   * not read from its tap, there are few.
   */
  send(message: Buffer, { address, port }: Sender): void {
    if (this.#socket.getSendQueueCount() >= MAX_UNSENT) return;
    this.#socket.send(message, port, address, (error: NodeJS.ErrnoException | null) => {
      // Without the text, which has the address of the guest: so there are few reasons.
      if (error !== null) this.#onLoss(error.code ?? 'unknown reason');
    });
  }

  close(): void {
    this.#socket.removeAllListeners('error');
    this.#socket.on('error', () => {});
    this.#socket.close();
  }
}
