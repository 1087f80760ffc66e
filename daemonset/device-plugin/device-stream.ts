import type { ServerWritableStream } from '@grpc/grpc-js';

/** One ListAndWatch call: sends a list of devices now, and again after each change. */
export class DeviceStream {
  readonly #call: ServerWritableStream<Uint8Array, Uint8Array>;
  /** The latest list, if it must wait until the client has read an earlier one. */
  #next: Uint8Array | null = null;
  #isWriting = false;

  /** @param onEnd called once, when either side has ended the call */
  constructor(call: ServerWritableStream<Uint8Array, Uint8Array>, onEnd: () => void) {
    this.#call = call;
    let hasEnded = false;
    const end = () => {
      if (!hasEnded) onEnd();
      hasEnded = true;
    };
    for (const event of ['cancelled', 'error', 'finish', 'close']) call.on(event, end);
  }

  /** Sends a list. A client that does not read gets only the latest one later. */
  send(list: Uint8Array): void {
    if (this.#isWriting) {
      this.#next = list;
      return;
    }
    this.#isWriting = true;
    this.#call.write(list, () => {
      this.#isWriting = false;
      const next = this.#next;
      this.#next = null;
      if (next !== null) this.send(next);
    });
  }

  end(): void {
    this.#call.end();
  }
}
