import { reasonOf } from '../../shared/native/native.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { answerDhcp4, clientOf } from './dhcp4/answer-dhcp4.ts';
import { answerDhcp6 } from './dhcp6/answer-dhcp6.ts';
import type { GuestNetwork } from './guest-network.ts';
import { GuestSocket, type Sender, type Service } from './guest-socket.ts';
import { Reports } from './reports.ts';
import { Advertiser } from './router-advertisement/advertiser.ts';
import { isSolicitation } from './router-advertisement/solicitation.ts';

/** Where a guest without an address hears its DHCP server. */
const DHCP4_CLIENTS: Sender = { address: '255.255.255.255', port: 68 };
/** All nodes. The port counts for nothing. */
const allNodes = (tap: string): Sender => ({ address: `ff02::1%${tap}`, port: 1 });

/** Serves the guest of one tap. */
export class TapServices {
  readonly ifindex: number;
  readonly reports: Reports;
  readonly #tap: string;
  readonly #sockets = new Map<Service, GuestSocket>();
  readonly #advertiser: Advertiser;
  readonly #fresh: () => Promise<void>;
  #network: GuestNetwork;
  #hasGuest = false;

  /**
   * Serves from the first `update` on.
   *
   * @param fresh resolves when the network is known as it is now
   */
  constructor({ ifname, ifindex }: Link, network: GuestNetwork, fresh: () => Promise<void>) {
    this.ifindex = ifindex;
    this.#tap = ifname;
    this.#network = network;
    this.#fresh = fresh;
    this.reports = new Reports(ifname);
    this.#advertiser = new Advertiser(network, (advertisement) => {
      this.reports.count('RA', 'Advertisement');
      this.#sockets.get('advertisement')?.send(advertisement, allNodes(ifname));
    });
  }

  /**
   * Takes over what is known of the tap and its network now, and opens the sockets that this needs.
   *
   * @throws {Error} the message says which socket cannot be opened, and why
   */
  update({ hasCarrier }: Link, network: GuestNetwork): void {
    if (JSON.stringify(network) !== JSON.stringify(this.#network)) {
      this.#network = network;
      this.#advertiser.change(network);
    }
    this.#open();
    if (hasCarrier === this.#hasGuest) return;
    this.#hasGuest = hasCarrier;
    if (hasCarrier) {
      this.reports.guestStarted();
      this.#advertiser.start();
    } else this.reports.guestStopped();
  }

  #open(): void {
    const { ipv4, ipv6 } = this.#network;
    if (ipv4 !== null) this.#listen('dhcp4', (message) => this.#answerDhcp4(message));
    if (ipv6 === null) return;
    this.#listen('dhcp6', (message, sender) => this.#answerDhcp6(message, sender));
    if (this.#listen('advertisement', (message) => this.#solicited(message))) this.#advertiser.start();
  }

  close(): void {
    this.#advertiser.stop();
    this.reports.guestStopped();
    for (const service of this.#sockets.keys()) this.#close(service);
  }

  /** Returns whether the socket is new. */
  #listen(service: Service, onMessage: (message: Buffer, sender: Sender) => void): boolean {
    if (this.#sockets.has(service)) return false;
    try {
      const onError = () => this.#close(service);
      this.#sockets.set(service, new GuestSocket(service, this.#tap, onMessage, onError));
      return true;
    } catch (cause) {
      throw new Error(`${service}: ${reasonOf(cause)}`, { cause });
    }
  }

  #close(service: Service): void {
    this.#sockets.get(service)?.close();
    this.#sockets.delete(service);
  }

  async #answerDhcp4(request: Buffer): Promise<void> {
    await this.#fresh();
    const answer = answerDhcp4(request, this.#network);
    this.reports.answered('DHCPv4', answer);
    if (answer.reply === null) return;
    const socket = this.#sockets.get('dhcp4');
    socket?.send(answer.reply, DHCP4_CLIENTS);
    // A client that renews its lease may listen only on its address.
    const address = clientOf(request);
    if (address !== null && address === this.#network.ipv4?.address)
      socket?.send(answer.reply, { address, port: DHCP4_CLIENTS.port });
  }

  async #answerDhcp6(request: Buffer, sender: Sender): Promise<void> {
    await this.#fresh();
    const answer = answerDhcp6(request, this.#network);
    this.reports.answered('DHCPv6', answer);
    if (answer.reply !== null) this.#sockets.get('dhcp6')?.send(answer.reply, sender);
  }

  #solicited(message: Buffer): void {
    if (!isSolicitation(message)) return;
    this.reports.count('RA', 'Solicitation');
    this.reports.heard();
    this.#advertiser.answerSolicitation();
  }
}
