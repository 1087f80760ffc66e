import { messageOf } from '../../shared/errors.ts';
import { reasonOf } from '../../shared/native/native.ts';
import type { Link } from '../../shared/rtnetlink/link.ts';
import { answerDhcp4, clientOf } from './dhcp4/answer-dhcp4.ts';
import { answerDhcp6 } from './dhcp6/answer-dhcp6.ts';
import type { GuestNetwork } from './guest-network.ts';
import { GuestSocket, type Sender, type Service } from './guest-socket.ts';
import { RecentAddresses } from './recent-addresses.ts';
import { type Protocol, Reports } from './reports.ts';
import { Advertiser } from './router-advertisement/advertiser.ts';
import { isSolicitation } from './router-advertisement/solicitation.ts';

/** Where a guest without an address hears its DHCP server. */
const DHCP4_CLIENTS: Sender = { address: '255.255.255.255', port: 68 };
/** All nodes. The port counts for nothing. */
const allNodes = (tap: string): Sender => ({ address: `ff02::1%${tap}`, port: 1 });

const PROTOCOLS = { dhcp4: 'DHCPv4', dhcp6: 'DHCPv6', advertisement: 'RA' } as const satisfies Record<
  Service,
  Protocol
>;
const EACCES = 13;
/** What lets the kernel forbid a socket to a process without privileges. ADD sets both. */
const PORTS = 'let net.ipv4.ip_unprivileged_port_start of the pod be at most 67';
const GROUPS = "let net.ipv4.ping_group_range of the pod include the sidecar's group";
/**
 * Requests that wait until the network is known. A guest asks one thing at a time, and again if it
 * gets no answer.
 */
const MAX_WAITING = 64;

/** Serves the guest of one tap. */
export class TapServices {
  readonly reports: Reports;
  readonly #link: Link;
  readonly #sockets = new Map<Service, GuestSocket>();
  readonly #advertiser: Advertiser;
  readonly #fresh: () => Promise<void>;
  #network: GuestNetwork;
  #hasGuest = false;
  #waiting = 0;
  readonly #recent = new RecentAddresses();

  /**
   * Serves from the first `update` on.
   *
   * @param fresh resolves when the network is known as it is now
   */
  constructor(link: Link, network: GuestNetwork, fresh: () => Promise<void>) {
    this.#link = link;
    this.#network = network;
    this.#fresh = fresh;
    this.reports = new Reports(link.ifname);
    this.#advertiser = new Advertiser(network, (advertisement) => {
      this.reports.count('RA', 'Advertisement');
      this.#sockets.get('advertisement')?.send(advertisement, allNodes(link.ifname));
    });
  }

  /**
   * Whether the sockets are on this tap. A new tap may get the name and the ifindex of one that is
   * gone, but the kernel chooses another MAC address.
   */
  isFor({ ifname, ifindex, mac }: Link): boolean {
    return ifname === this.#link.ifname && ifindex === this.#link.ifindex && mac === this.#link.mac;
  }

  /**
   * Takes over what is known of the tap and its network now, and opens the sockets that this needs.
   * Logs which of them cannot be opened; the next call tries again.
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
    if (ipv4 !== null)
      this.#listen('dhcp4', (message) => void this.#answer('DHCPv4', () => this.#answerDhcp4(message)));
    if (ipv6 === null) return;
    this.#listen(
      'dhcp6',
      (message, sender) => void this.#answer('DHCPv6', () => this.#answerDhcp6(message, sender)),
    );
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
    const protocol = PROTOCOLS[service];
    const onError = (error: Error) => {
      this.reports.failed(protocol, messageOf(error));
      this.#close(service);
    };
    const onLoss = (code: string) => this.reports.lost(protocol, code);
    try {
      this.#sockets.set(service, new GuestSocket(service, this.#link.ifname, onMessage, onError, onLoss));
      this.reports.works(protocol);
      return true;
    } catch (error) {
      const isForbidden = (error as NodeJS.ErrnoException).errno === EACCES;
      const remedy = service === 'advertisement' ? GROUPS : PORTS;
      this.reports.failed(protocol, reasonOf(error), isForbidden ? remedy : undefined);
      return false;
    }
  }

  #close(service: Service): void {
    this.#sockets.get(service)?.close();
    this.#sockets.delete(service);
  }

  /** Answers a request by what is known of the network after it arrived. */
  async #answer(protocol: Protocol, answer: () => void): Promise<void> {
    if (this.#waiting >= MAX_WAITING) return this.reports.count(protocol, 'dropped');
    this.#waiting += 1;
    try {
      await this.#fresh();
      answer();
    } catch (error) {
      // Whatever a guest sends must not end the sidecar, on which the VM depends.
      this.reports.lost(protocol, messageOf(error));
    } finally {
      this.#waiting -= 1;
    }
  }

  #answerDhcp4(request: Buffer): void {
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

  #answerDhcp6(request: Buffer, sender: Sender): void {
    const answer = answerDhcp6(request, this.#network);
    this.reports.answered('DHCPv6', answer);
    if (answer.reply === null) return;
    if (this.#recent.admit(sender.address)) this.#sockets.get('dhcp6')?.send(answer.reply, sender);
    else this.reports.count('DHCPv6', 'dropped');
  }

  #solicited(message: Buffer): void {
    if (!isSolicitation(message)) return;
    this.reports.count('RA', 'Solicitation');
    this.reports.heard();
    this.#advertiser.answerSolicitation();
  }
}
