import type { MacvtapResource } from '../../cni/policy/macvtap-policy.ts';
import { log } from '../../shared/log.ts';
import { reasonOf } from '../../shared/native/native.ts';
import type { Message } from '../../shared/netlink/message.ts';
import { ALL_GROUPS, affectedBy, LINK_GROUPS, type Watched } from './affected.ts';
import { findIllness } from './health.ts';
import { LinkEvents } from './link-events.ts';
import { type LowerState, readLowerState } from './read-lower.ts';

/** Changes within this time in ms are read once. */
const SETTLE_TIME = 50;
/** Pause in ms after a failure to read. */
const RETRY_INTERVAL = 1000;

/** Why the devices of each resource are unhealthy, by its name; null if they are healthy. */
export type Health = ReadonlyMap<string, string | null>;

/**
 * Follows the lower devices of resources by the kernel's events. Reads a device at the start, and
 * after each event that may concern it.
 */
export class LowerDevices {
  readonly #onHealth: (health: Health) => void;
  #resources: readonly MacvtapResource[] = [];
  #events: LinkEvents | null = null;
  #groups = 0;
  /** The devices as they were last read. */
  readonly #lowers = new Map<string, LowerState | null>();
  /** Names of devices that must be read. */
  readonly #changed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> | null = null;
  #failure: string | null = null;
  #isClosed = false;

  /** @param onHealth called after each reading, with the resources whose device could be read */
  constructor(onHealth: (health: Health) => void) {
    this.#onHealth = onHealth;
  }

  /** Replaces the resources. */
  watch(resources: readonly MacvtapResource[]): void {
    this.#resources = resources;
    this.#lowers.clear();
    try {
      this.#open();
    } catch {
      // The reading tries again, and reports the failure.
    }
    this.#readSoon(namesOf(resources), 0);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#events?.close();
    await this.#reading;
  }

  /**
   * Opens the socket before devices are read, so that no event is lost. Closes it if there are no
   * resources.
   */
  #open(): void {
    const groups = groupsFor(this.#resources);
    if (groups === this.#groups) return;
    const events = groups === 0 ? null : new LinkEvents(groups, (messages) => this.#onEvents(messages));
    this.#events?.close();
    [this.#events, this.#groups] = [events, groups];
  }

  #onEvents(messages: readonly Message[] | null): void {
    const watched: readonly Watched[] = this.#resources.map((resource) => ({
      lowerDevice: resource.lowerDevice,
      ifindex: this.#lowers.get(resource.lowerDevice)?.link.ifindex ?? null,
      isForOne: isForOne(resource),
    }));
    const affected =
      messages === null
        ? namesOf(this.#resources)
        : messages.flatMap((message) => affectedBy(message, watched));
    if (affected.length > 0) this.#readSoon(affected, SETTLE_TIME);
  }

  #readSoon(names: readonly string[], delay: number): void {
    if (this.#isClosed) return;
    for (const name of names) this.#changed.add(name);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // One after the other: an earlier reading may still run.
      this.#reading = (this.#reading ?? Promise.resolve()).then(() => this.#read());
    }, delay);
  }

  async #read(): Promise<void> {
    const names = [...this.#changed];
    for (const name of names) {
      const users = this.#resources.filter(({ lowerDevice }) => lowerDevice === name);
      if (this.#isClosed) return;
      this.#changed.delete(name);
      if (users.length === 0) continue;
      try {
        this.#open();
        this.#lowers.set(name, await readLowerState(name, users.some(isForOne)));
        this.#failure = null;
      } catch (error) {
        this.#reportFailure(name, reasonOf(error));
        this.#readSoon([name], RETRY_INTERVAL);
      }
    }
    if (!this.#isClosed) this.#onHealth(this.#health());
  }

  #health(): Health {
    return new Map(
      this.#resources.flatMap((resource) => {
        const lower = this.#lowers.get(resource.lowerDevice);
        return lower === undefined ? [] : [[resource.name, findIllness(resource, lower)] as const];
      }),
    );
  }

  #reportFailure(name: string, reason: string): void {
    if (reason !== this.#failure) log('error', `Cannot read the state of "${name}": ${reason}`);
    this.#failure = reason;
  }
}

const namesOf = (resources: readonly MacvtapResource[]): readonly string[] =>
  resources.map(({ lowerDevice }) => lowerDevice);

const groupsFor = (resources: readonly MacvtapResource[]): number =>
  resources.length === 0 ? 0 : resources.some(isForOne) ? ALL_GROUPS : LINK_GROUPS;

/** Whether a VM takes the whole device, so that the node must not use it. */
const isForOne = ({ mode }: MacvtapResource): boolean => mode === 'passthru';
