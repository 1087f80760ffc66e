import { type CallFrame, decodeCall, decodeHeader, type Header, requestLength } from './frame.ts';

/** Initial size of the buffer in bytes; most requests fit. */
const FIRST_BYTES = 4096;

/** Collects the bytes of one request. */
export class RequestReader {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;
  #header: Header | undefined;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Where the next bytes must be stored. */
  get room(): readonly [buffer: Buffer, offset: number] {
    return [this.#bytes, this.#length];
  }

  /** Takes bytes that were stored in `room`. Returns the request once it is complete. */
  take(received: number): CallFrame | 'more' | 'invalid' {
    this.#length += received;
    const header = this.#header ?? decodeHeader(this.#bytes.subarray(0, this.#length));
    if (header === 'incomplete') return 'more';
    if (header === 'invalid' || this.#length > requestLength(header)) return 'invalid';
    this.#header = header;
    if (this.#length === requestLength(header)) {
      return decodeCall(header, this.#bytes.subarray(0, this.#length));
    }
    if (this.#bytes.length < requestLength(header)) {
      this.#bytes = Buffer.concat([this.#bytes.subarray(0, this.#length)], requestLength(header));
    }
    return 'more';
  }
}
