import { log } from '../../shared/log.ts';
import type { Answer } from './answer.ts';

export type Protocol = 'DHCPv4' | 'DHCPv6' | 'RA';

/** Time in ms between two log lines of the same content: a guest may send requests for ever. */
const LOG_PAUSE = 60_000;
/** Time in ms within which a guest that starts asks for an address. */
const ASKING_TIMEOUT = 60_000;

/** Counts what the services of one tap do, and logs what an administrator wants to know of it. */
export class Reports {
  readonly #tap: string;
  /** `PROTOCOL RESULT` → number. The results are few. */
  readonly #counts = new Map<string, number>();
  /** Last time in ms of each log line. */
  readonly #logged = new Map<string, number>();
  #asking: NodeJS.Timeout | undefined;

  constructor(tap: string) {
    this.#tap = tap;
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Called when the VM opens the tap. */
  guestStarted(): void {
    clearTimeout(this.#asking);
    this.#asking = setTimeout(
      () =>
        log('warn', `No guest has asked for an address within ${ASKING_TIMEOUT / 1000} s`, {
          tap: this.#tap,
          remedy: 'let the guest configure its NIC by DHCP, or see what its firewall drops',
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
    this.#logged.set(line, now);
    log(level, message, { tap: this.#tap, ...fields });
  }
}
