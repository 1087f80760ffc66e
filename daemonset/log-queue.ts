import { formatLine } from '../shared/log.ts';
import type { writeStderr } from '../shared/stderr.ts';

/** Maximum number of bytes that wait for a reader: some 1,000 lines. */
export const MAX_BYTES = 256 * 1024;
/** How often in ms to look whether stderr has room again. */
const RETRY_INTERVAL = 50;
/** How long to wait for a reader before the process exits, in ms. */
const EXIT_TIMEOUT = 1_000;

/**
 * The agent's log. Writes each line at once if stderr has room. Otherwise lines wait here, and the
 * event loop goes on; beyond MAX_BYTES, new ones are dropped and counted. As soon as half of the
 * waiting bytes are written, a line says how many were dropped.
 */
export class LogQueue {
  readonly #write: typeof writeStderr;
  readonly #onDrop: () => void;
  #lines: Buffer[] = [];
  #bytes = 0;
  /** Bytes of the first line that have been written. */
  #written = 0;
  #dropped = 0;
  #retry: NodeJS.Timeout | null = null;

  /** @param onDrop called for each dropped line */
  constructor(write: typeof writeStderr, onDrop: () => void) {
    this.#write = write;
    this.#onDrop = onDrop;
  }

  add(line: string): void {
    this.#report();
    const bytes = Buffer.from(line);
    if (this.#dropped > 0 || this.#bytes + bytes.length > MAX_BYTES) this.#drop();
    else this.#push(bytes);
    if (this.#retry === null) this.flush();
  }

  /** Writes what fits. The rest follows. */
  flush(): void {
    this.#retry = null;
    if (!this.#writeAll(() => 0)) this.#retry = setTimeout(() => this.flush(), RETRY_INTERVAL).unref();
  }

  /** Writes all lines before the process exits. Waits for a bounded time. */
  end(): void {
    const deadline = performance.now() + EXIT_TIMEOUT;
    this.#writeAll(() => Math.max(0, Math.ceil(deadline - performance.now())));
  }

  /** Returns whether no line is left. */
  #writeAll(wait: () => number): boolean {
    try {
      for (let [line] = this.#lines; line !== undefined; [line] = this.#lines) {
        const written = this.#write(line, this.#written, wait());
        if (written === 0) return false;
        this.#written += written;
        if (this.#written === line.length) this.#shift();
      }
    } catch {
      // Nobody can read these lines any more, nor how many they are.
      for (const _ of this.#lines.splice(0)) this.#drop();
      [this.#bytes, this.#written, this.#dropped] = [0, 0, 0];
    }
    return true;
  }

  #shift(): void {
    this.#bytes -= this.#lines.shift()?.length ?? 0;
    this.#written = 0;
    this.#report();
  }

  #report(): void {
    if (this.#dropped === 0 || this.#bytes > MAX_BYTES / 2) return;
    const message = `Dropped log lines, because nobody read them: ${this.#dropped}`;
    this.#dropped = 0;
    this.#push(Buffer.from(formatLine({ level: 'warn', message })));
  }

  #push(line: Buffer): void {
    this.#lines.push(line);
    this.#bytes += line.length;
  }

  #drop(): void {
    this.#dropped += 1;
    this.#onDrop();
  }
}
