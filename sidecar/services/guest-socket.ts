import { createSocket, type Socket } from 'node:dgram';
import { ADVERTISEMENT_ID } from '../../shared/guest-services.ts';
import { native } from '../../shared/native/native.ts';

/** The services, in the order of `enum service` in guest-socket.h. */
const SERVICES = ['dhcp4', 'dhcp6', 'advertisement'] as const;
export type Service = (typeof SERVICES)[number];

export interface Sender {
  readonly address: string;
  readonly port: number;
}

/** The socket on which a service hears the guest of a tap, and answers it. */
export class GuestSocket {
  readonly #socket: Socket;

  /**
   * @param onError called once if the socket is unusable from now on
   * @throws {unknown} an error of the addon
   */
  constructor(
    service: Service,
    tap: string,
    onMessage: (message: Buffer, sender: Sender) => void,
    onError: (error: Error) => void,
  ) {
    const fd = native.openGuestSocket(SERVICES.indexOf(service), tap, ADVERTISEMENT_ID);
    this.#socket = createSocket(service === 'dhcp4' ? 'udp4' : 'udp6');
    this.#socket.on('message', onMessage);
    this.#socket.once('error', onError);
    this.#socket.bind({ fd });
  }

  /** Sends a message, or loses it: the guest asks again. */
  send(message: Buffer, { address, port }: Sender): void {
    this.#socket.send(message, port, address, () => {});
  }

  close(): void {
    this.#socket.removeAllListeners('error');
    this.#socket.on('error', () => {});
    this.#socket.close();
  }
}
