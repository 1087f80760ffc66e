import { log } from '../../shared/log.ts';
import type { Answer } from './answer.ts';

export type Protocol = 'DHCPv4' | 'DHCPv6' | 'RA';

/** Time in ms between two log lines of the same content: a guest may send requests for ever. */
const LOG_PAUSE = 60_000;
/** Different lines in that time: more than there are, unless the network changes all the time. */
const MAX_LINES = 64;
/** Time in ms within which a guest that starts asks for an address. */
const ASKING_TIMEOUT = 60_000;
/** Time in ms by which the kernel may report a guest after the guest's first request. */
const CARRIER_DELAY = 2_000;

/** Counts what the services of one tap do, and logs what an administrator wants to know of it. */
export class Reports {
  readonly #tap: string;
  /** `PROTOCOL RESULT` → number. The results are few. */
  readonly #counts = new Map<string, number>();
  /** Last time in ms of each log line. */
  readonly #logged = new Map<string, number>();
  /** Protocol → why it is not served now. */
  readonly #failures = new Map<Protocol, string>();
  #asking: NodeJS.Timeout | undefined;
  #lastHeard = Number.NEGATIVE_INFINITY;

  constructor(tap: string) {
    this.#tap = tap;
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Called when the VM opens the tap. */
  guestStarted(): void {
    clearTimeout(this.#asking);
    if (performance.now() < this.#lastHeard + CARRIER_DELAY) return;
    this.#asking = setTimeout(
      () =>
        log('info', `No guest has asked for an address within ${ASKING_TIMEOUT / 1000} s`, {
          tap: this.#tap,
          remedy:
            'if the guest has no address, let it configure its NIC by DHCP; one with a static address, ' +
            'or one that has migrated here with its lease, need not ask',
        }),
      ASKING_TIMEOUT,
    );
    this.#asking.unref();
  }

  /** Called when the VM closes the tap, or the tap goes. */
  guestStopped(): void {
    clearTimeout(this.#asking);
  }

  heard(): void {
    clearTimeout(this.#asking);
    this.#lastHeard = performance.now();
  }

  /** Called when a protocol cannot be served. Logs each reason once, until it is served again. */
  failed(protocol: Protocol, reason: string, remedy?: string): void {
    if (this.#failures.get(protocol) === reason) return;
    this.#failures.set(protocol, reason);
    log('warn', `Cannot serve ${protocol}: ${reason}`, { tap: this.#tap, remedy });
  }

  /** Called when a protocol can be served. */
  works(protocol: Protocol): void {
    if (this.#failures.delete(protocol)) log('info', `Serving ${protocol} again`, { tap: this.#tap });
  }

  /** Called when a message cannot be answered, although the protocol is served. */
  lost(protocol: Protocol, reason: string): void {
    this.count(protocol, 'failed');
    this.#logOnce('warn', `Cannot answer by ${protocol}: ${reason}`, {});
  }

  count(protocol: Protocol, result: string): void {
    const key = `${protocol} ${result}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  answered(protocol: Protocol, answer: Answer): void {
    this.heard();
    if (answer.reply === null) {
      this.count(protocol, answer.isNormal ? 'ignored' : 'rejected');
      const level = answer.isNormal ? 'info' : 'warn';
      this.#logOnce(level, `Did not answer a ${protocol} request: ${answer.reason}`, {});
      return;
    }
    this.count(protocol, answer.name);
    if (answer.warning !== undefined)
      this.#logOnce('warn', `A ${protocol} request says: ${answer.warning}`, {});
    if (answer.assigned !== null) this.#logOnce('info', 'Leased', { protocol, addresses: answer.assigned });
    if (answer.name === 'NAK')
      this.#logOnce('info', "Refused an address that is not the pod's", { protocol });
  }

  #logOnce(level: 'info' | 'warn', message: string, fields: object): void {
    const line = JSON.stringify([message, fields]);
    const now = performance.now();
    if (now < (this.#logged.get(line) ?? Number.NEGATIVE_INFINITY) + LOG_PAUSE) return;
    if (this.#logged.size >= MAX_LINES) {
      for (const [old, time] of this.#logged) if (now >= time + LOG_PAUSE) this.#logged.delete(old);
      if (this.#logged.size >= MAX_LINES) return;
    }
    this.#logged.set(line, now);
    log(level, message, { tap: this.#tap, ...fields });
  }
}
