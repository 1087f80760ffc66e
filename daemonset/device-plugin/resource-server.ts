import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import type { Device } from '../../shared/grpc/device-plugin_pb.ts';
import { log } from '../../shared/log.ts';
import { reasonOf } from '../../shared/native/native.ts';
import { encodeDevices, methodsOf } from './plugin-api.ts';
import { PluginServer } from './plugin-server.ts';
import { register } from './register.ts';
import { socketNameOf } from './socket-name.ts';

/** Pauses in ms between two registrations. kubelet needs a moment to notice the end of a stream. */
const MIN_PAUSE = 100;
const MAX_PAUSE = 30_000;
/** Time in ms after a registration in which kubelet must open its stream; it takes 60 ms. */
const STREAM_TIMEOUT = 10_000;
/** A stream that lasted for this time in ms shows that the registration had succeeded. */
const STABLE = 10_000;
/** Failures that are remembered, in case kubelet never says the same twice. */
const MAX_REPORTED = 50;

/**
 * Offers one resource to kubelet: serves its devices, and registers it, again whenever kubelet
 * starts, or its stream ends. Never gives up.
 */
export class ResourceServer {
  readonly #resource: string;
  readonly #directory: string;
  readonly #kubelet: string;
  readonly #endpoint: string;
  readonly #server: PluginServer;
  #devices: readonly Device[];
  /** The file of kubelet's socket; each start of kubelet makes another. */
  #kubeletId: string | null = null;
  /** The registration that is being made. */
  #attempt: AbortController | null = null;
  #isRegistered = false;
  #timer: NodeJS.Timeout | undefined;
  #pause = MIN_PAUSE;
  #streamBegan = 0;
  /** Failures that were logged since the last registration. */
  readonly #reported = new Set<string>();
  #isClosed = false;

  /**
   * @param resource full name
   * @param directory kubelet's directory of sockets
   * @param onAllocate called with the number of devices that kubelet allocated
   */
  constructor(
    resource: string,
    directory: string,
    devices: readonly Device[],
    onAllocate: (count: number) => void,
  ) {
    this.#resource = resource;
    this.#directory = directory;
    this.#kubelet = join(directory, 'kubelet.sock');
    this.#endpoint = socketNameOf(resource, directory);
    this.#devices = devices;
    const methods = methodsOf({ resource, devices: () => this.#devices, onAllocate });
    const path = join(directory, this.#endpoint);
    this.#server = new PluginServer(path, methods, encodeDevices(devices), (change) =>
      this.#onStream(change),
    );
    this.check();
  }

  update(devices: readonly Device[]): void {
    this.#devices = devices;
    this.#server.publish(encodeDevices(devices));
  }

  /** Does what the sockets in kubelet's directory require. Called after each change there. */
  check(): void {
    if (this.#isClosed) return;
    try {
      this.#adjust();
    } catch (error) {
      // For example, the disk fails. It must not end the agent.
      this.#report(`Cannot serve "${this.#resource}" in "${this.#directory}": ${reasonOf(error)}`);
      this.#retry();
    }
  }

  #adjust(): void {
    if (!this.#bind()) return;
    const kubeletId = idOf(this.#kubelet);
    if (kubeletId === null) {
      const advice = 'check that kubelet runs, and $.macvtap.kubeletDirectory of the node policy file';
      this.#report(`Cannot register "${this.#resource}": there is no "${this.#kubelet}"; ${advice}`);
    } else if (kubeletId !== this.#kubeletId) {
      this.#kubeletId = kubeletId;
      this.#pause = MIN_PAUSE;
      this.#isRegistered = false;
      this.#attempt?.abort();
      this.#attempt = null;
      void this.#register();
    } else if (!this.#isRegistered && this.#attempt === null && this.#timer === undefined) {
      void this.#register();
    }
  }

  /** Ends the streams, so that kubelet stops offering the devices, and deletes the socket. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#attempt?.abort();
    await this.#server.close();
  }

  /** Makes the socket if it is missing. Returns whether it is there. */
  #bind(): boolean {
    if (this.#server.isBound) return true;
    if (!existsSync(this.#directory)) {
      const advice = 'it is created by kubelet; check $.macvtap.kubeletDirectory of the node policy file';
      this.#report(`Cannot serve "${this.#resource}": there is no "${this.#directory}"; ${advice}`);
      return false;
    }
    this.#server.bind();
    return true;
  }

  async #register(): Promise<void> {
    this.#clearTimer();
    const attempt = new AbortController();
    this.#attempt = attempt;
    let failure: string | null = null;
    try {
      await register(this.#kubelet, this.#resource, this.#endpoint, attempt.signal);
    } catch (error) {
      failure = messageOf(error);
    }
    if (attempt.signal.aborted) return;
    this.#attempt = null;
    if (failure !== null) {
      this.#report(failure);
      this.#retry();
      return;
    }
    log('info', `Registered "${this.#resource}" with kubelet`, { devices: this.#devices.length });
    this.#reported.clear();
    this.#isRegistered = true;
    if (!this.#server.hasStream) this.#expectStream();
  }

  #expectStream(): void {
    this.#timer = setTimeout(() => {
      this.#isRegistered = false;
      this.#report(`Cannot offer "${this.#resource}": kubelet does not ask for the devices; look at its log`);
      this.#retry();
    }, STREAM_TIMEOUT);
  }

  #onStream(change: 'begun' | 'ended'): void {
    if (this.#isClosed) return;
    if (change === 'begun') {
      this.#streamBegan = performance.now();
      if (this.#isRegistered) this.#clearTimer();
      return;
    }
    if (performance.now() - this.#streamBegan > STABLE) this.#pause = MIN_PAUSE;
    this.#isRegistered = false;
    if (this.#attempt === null) this.#retry();
  }

  #retry(): void {
    this.#clearTimer();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.check();
    }, this.#pause);
    this.#pause = Math.min(this.#pause * 2, MAX_PAUSE);
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #report(text: string): void {
    if (this.#reported.has(text)) return;
    log('warn', text);
    if (this.#reported.size === MAX_REPORTED) this.#reported.clear();
    this.#reported.add(text);
  }
}

/**
 * Device, inode and time of the last change of a file; null if there is none. A new socket often
 * gets the inode of the one that was deleted before.
 */
function idOf(path: string): string | null {
  const file = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return file === undefined ? null : `${file.dev} ${file.ino} ${file.ctimeNs}`;
}
