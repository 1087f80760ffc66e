import type { GuestNetwork } from '../guest-network.ts';
import { encodeAdvertisement } from './advertisement.ts';
import { type Announcement, announcementOf, farewellOf } from './announcement.ts';

/**
 * Times in ms between the advertisements after a start or a change, since the guest may lose some
 * (RFC 4861 §6.2.4 has three of them, at most 16 s apart).
 */
const FIRST_PAUSES = [1_000, 4_000, 16_000];
/** Time in ms between two advertisements later: a ninth of the lifetime of the router. */
const PAUSE = 200_000;
/** Least time in ms between two advertisements, however many solicitations the guest sends. */
const LEAST_PAUSE = 100;
/** Number of advertisements by which the guest learns that a router went. */
const FAREWELLS = 3;

/**
 * Sends the guest advertisements of its router: after a start, after a change, when it asks, and
 * before their lifetime ends.
 */
export class Advertiser {
  readonly #send: (advertisement: Buffer) => void;
  #network: GuestNetwork;
  /** Farewells of the routers that went, and how many times the guest is still to get each. */
  readonly #farewells = new Map<string, { readonly farewell: Announcement; readonly times: number }>();
  /** Number of times since the last start or change. */
  #count = 0;
  #lastTime = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param send sends a message from the socket of the advertisements */
  constructor(network: GuestNetwork, send: (advertisement: Buffer) => void) {
    this.#network = network;
    this.#send = send;
  }

  /** Begins to advertise, also once more: for a guest that starts. */
  start(): void {
    this.#count = 0;
    this.#schedule(0);
  }

  change(network: GuestNetwork): void {
    const farewell = farewellOf(this.#network);
    if (farewell !== null) this.#farewells.set(farewell.router, { farewell, times: FAREWELLS });
    if (network.ipv6 !== null) this.#farewells.delete(network.ipv6.router);
    this.#network = network;
    this.start();
  }

  answerSolicitation(): void {
    this.#schedule(0);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(pause: number): void {
    clearTimeout(this.#timer);
    const earliest = this.#lastTime + LEAST_PAUSE - performance.now();
    this.#timer = setTimeout(() => this.#advertise(), Math.max(pause, earliest));
  }

  #advertise(): void {
    this.#lastTime = performance.now();
    for (const [router, { farewell, times }] of this.#farewells) {
      this.#encodeAndSend(farewell);
      if (times > 1) this.#farewells.set(router, { farewell, times: times - 1 });
      else this.#farewells.delete(router);
    }
    const announcement = announcementOf(this.#network);
    if (announcement !== null) this.#encodeAndSend(announcement);
    this.#schedule(FIRST_PAUSES[this.#count] ?? PAUSE);
    this.#count += 1;
  }

  #encodeAndSend({ router, lifetime, network, validity }: Announcement): void {
    this.#send(encodeAdvertisement(router, lifetime, network, validity));
  }
}
