import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { native } from '../../shared/native/native.ts';
import type { ServedGuest } from './served-guests.ts';
import { TapServices } from './tap-services.ts';
import { takeTurn } from './turn.ts';

/** RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR and _IPV6_ROUTE (linux/rtnetlink.h). */
const EVENTS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/** Bytes of an event that are read: none matters, because the pod is looked at as a whole. */
const EVENT_BYTES = 64;
/** Events read in one go, so that a flood of them does not keep the sidecar from virt-launcher. */
const MAX_BURST = 256;
/** Least time in ms between two looks at the pod. */
const LEAST_PAUSE = 250;
/**
 * Time in ms between two looks without an event: for resolv.conf, for a socket that could not be
 * opened, and to take the turn of a sidecar that has ended.
 */
const PAUSE = 10_000;

/** Serves the guests of all taps of the pod, and follows what changes. */
export class GuestServices {
  readonly #observe: () => Promise<readonly ServedGuest[]>;
  readonly #taps = new Map<string, TapServices>();
  #turn: Server | null = null;
  /** The look at the pod that is due or under way; null if nothing has changed. */
  #look: Promise<void> | null = null;
  #lastLook = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  /** Whether something has changed that the look under way may not see. */
  #hasMissed = false;
  /** The last failure, which is logged once. */
  #failure = '';

  /** @param observe finds out which guests there are, and what they get */
  constructor(observe: () => Promise<readonly ServedGuest[]>) {
    this.#observe = observe;
  }

  /** Begins to serve, unless another sidecar does: then waits until that one has ended. */
  async start(): Promise<void> {
    const fd = native.openLinkEvents(EVENTS);
    const buffer = Buffer.alloc(EVENT_BYTES);
    native.watch(fd, false, () => {
      drain(fd, buffer);
      void this.refresh();
    });
    setInterval(() => void this.refresh(), PAUSE);
    await this.refresh();
  }

  /** Looks at the pod again, now or soon. Resolves when the guests have what the look found. */
  refresh(): Promise<void> {
    if (this.#isLooking) this.#hasMissed = true;
    this.#look ??= this.#lookSoon();
    return this.#look;
  }

  async #lookSoon(): Promise<void> {
    const wait = this.#lastLook + LEAST_PAUSE - performance.now();
    if (wait > 0) await sleep(wait);
    this.#lastLook = performance.now();
    this.#isLooking = true;
    try {
      if (this.#turn === null && !(await this.#takeTurn())) return;
      this.#serve(await this.#observe());
      this.#failure = '';
    } catch (error) {
      this.#report(`Cannot serve the guests of this pod: ${messageOf(error)}`);
    } finally {
      this.#isLooking = false;
      this.#look = null;
      if (this.#hasMissed) {
        this.#hasMissed = false;
        void this.refresh();
      }
    }
  }

  async #takeTurn(): Promise<boolean> {
    this.#turn = await takeTurn(() => this.#counts());
    if (this.#turn === null) this.#report('Another sidecar of the pod serves its guests', 'info');
    return this.#turn !== null;
  }

  #serve(guests: readonly ServedGuest[]): void {
    for (const [ifname, services] of this.#taps) {
      if (guests.some(({ tap }) => services.isFor(tap))) continue;
      services.close();
      this.#taps.delete(ifname);
      log('info', 'Stopped serving a guest, because its tap is gone', { tap: ifname });
    }
    for (const { tap, network } of guests) {
      let services = this.#taps.get(tap.ifname);
      if (services === undefined) {
        services = new TapServices(tap, network, () => this.#look ?? Promise.resolve());
        this.#taps.set(tap.ifname, services);
        log('info', 'Serving a guest', { tap: tap.ifname, ipv4: network.ipv4, ipv6: network.ipv6 });
      }
      services.update(tap, network);
    }
  }

  /** One JSON object: per tap, the numbers of its replies and failures. */
  #counts(): string {
    const taps = [...this.#taps].map(([ifname, { reports }]) => [ifname, Object.fromEntries(reports.counts)]);
    return `${JSON.stringify(Object.fromEntries(taps))}\n`;
  }

  #report(message: string, level: 'info' | 'warn' = 'warn'): void {
    if (message === this.#failure) return;
    this.#failure = message;
    log(level, message);
  }
}

/** Reads events until none waits. */
function drain(fd: number, buffer: Buffer): void {
  for (let count = 0; count < MAX_BURST; count++) {
    try {
      if (native.receive(fd, buffer, 0)[0] < 0) return;
    } catch {
      // ENOBUFS: events were lost, which makes no difference.
    }
  }
}
