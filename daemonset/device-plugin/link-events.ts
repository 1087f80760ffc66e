import { closeSync } from 'node:fs';
import { native, type Watch } from '../../shared/native/native.ts';
import { decodeMessages, type Message } from '../../shared/netlink/message.ts';

/** Bytes of the largest event that is read. One of a link takes 1 to 2 KiB. */
const MAX_EVENT = 64 * 1024;
/** Events read in one go, so that a flood of them does not keep the agent from its clients. */
const MAX_BURST = 256;

/** Receives the kernel's events of the agent's own netns. */
export class LinkEvents {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #buffer = Buffer.alloc(MAX_EVENT);
  readonly #onEvents: (messages: readonly Message[] | null) => void;

  /**
   * @param groups mask of RTMGRP_*
   * @param onEvents called with new events; with null if events were lost. The messages are valid
   *   during the call only.
   * @throws {unknown} an error of the addon
   */
  constructor(groups: number, onEvents: (messages: readonly Message[] | null) => void) {
    this.#onEvents = onEvents;
    this.#fd = native.openLinkEvents(groups);
    this.#watch = native.watch(this.#fd, false, () => this.#receive());
  }

  close(): void {
    native.unwatch(this.#watch);
    closeSync(this.#fd);
  }

  #receive(): void {
    for (let count = 0; count < MAX_BURST; count++) {
      try {
        const [length] = native.receive(this.#fd, this.#buffer, 0);
        if (length < 0) return;
        this.#onEvents(decodeMessages(this.#buffer.subarray(0, length)));
      } catch {
        // ENOBUFS, or a message that is not the kernel's: anything may have happened.
        this.#onEvents(null);
      }
    }
  }
}
