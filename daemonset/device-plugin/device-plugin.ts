import { join } from 'node:path';
import type { MacvtapLowers, MacvtapResource } from '../../cni/policy/macvtap-policy.ts';
import { fullResourceName } from '../../shared/kubelet/device-id.ts';
import { log } from '../../shared/log.ts';
import { DirectoryWatch } from '../directory-watch.ts';
import { deviceListOf } from './device-list.ts';
import { diffOf } from './diff.ts';
import { type Health, LowerDevices } from './lower-devices.ts';
import { ResourceServer } from './resource-server.ts';

/** Numbers of devices of a resource, for the metrics. */
export interface DeviceCount {
  readonly resource: string;
  readonly healthy: number;
  readonly unhealthy: number;
}

/** A resource of the node policy file, and what serves it. */
interface Offered {
  readonly entry: MacvtapResource;
  /** Why its devices are unhealthy; null: they are healthy; undefined: not read yet. */
  readonly illness: string | null | undefined;
  /** Null until its health is known: kubelet rejects pods whose devices are unhealthy at first. */
  readonly server: ResourceServer | null;
}

/** Offers the macvtap resources of the node policy file to kubelet. */
export class DevicePlugin {
  readonly #onAllocate: (resource: string, count: number) => void;
  readonly #lowers = new LowerDevices((health) => this.#onHealth(health));
  readonly #offered = new Map<string, Offered>();
  #directory: string | null = null;
  #watch: DirectoryWatch | null = null;

  constructor(onAllocate: (resource: string, count: number) => void) {
    this.#onAllocate = onAllocate;
  }

  /** Offers these resources instead of the earlier ones. For one caller at a time. */
  async offer({ resources, kubeletDirectory }: MacvtapLowers): Promise<void> {
    const directory = join(kubeletDirectory, 'device-plugins');
    if (directory !== this.#directory) {
      await this.#remove([...this.#offered.keys()]);
      this.#watch?.close();
      this.#directory = directory;
      this.#watch = new DirectoryWatch(directory, () => this.#check());
    }
    const { removed, added, kept } = diffOf(this.#offered.keys(), resources);
    await this.#remove(removed);
    for (const entry of added) this.#offered.set(entry.name, { entry, illness: undefined, server: null });
    for (const entry of kept) this.#change(entry.name, { entry });
    this.#lowers.watch(resources);
  }

  counts(): readonly DeviceCount[] {
    return [...this.#offered.values()].map(({ entry: { name, capacity }, illness }) => ({
      resource: fullResourceName(name),
      healthy: illness === null ? capacity : 0,
      unhealthy: illness === null ? 0 : capacity,
    }));
  }

  async close(): Promise<void> {
    this.#watch?.close();
    await Promise.all([this.#lowers.close(), this.#remove([...this.#offered.keys()])]);
  }

  #check(): void {
    for (const { server } of this.#offered.values()) server?.check();
  }

  async #remove(names: readonly string[]): Promise<void> {
    const servers = names.map((name) => this.#offered.get(name)?.server);
    for (const name of names) this.#offered.delete(name);
    await Promise.all(servers.map((server) => server?.close()));
  }

  #onHealth(health: Health): void {
    for (const [name, illness] of health) {
      const before = this.#offered.get(name)?.illness;
      if (before === illness || !this.#offered.has(name)) continue;
      this.#change(name, { illness });
      reportHealth(name, illness, before);
    }
  }

  /** Changes what is offered, and tells kubelet. */
  #change(name: string, change: Partial<Offered>): void {
    const before = this.#offered.get(name);
    if (before === undefined || this.#directory === null) return;
    const { entry, illness, server } = { ...before, ...change };
    if (illness === undefined) {
      this.#offered.set(name, { entry, illness, server });
      return;
    }
    const devices = deviceListOf(entry, illness === null);
    const resource = fullResourceName(name);
    server?.update(devices);
    const onAllocate = (count: number) => this.#onAllocate(resource, count);
    this.#offered.set(name, {
      entry,
      illness,
      server: server ?? new ResourceServer(resource, this.#directory, devices, onAllocate),
    });
  }
}

function reportHealth(name: string, illness: string | null, before: string | null | undefined): void {
  const resource = fullResourceName(name);
  if (illness !== null) log('warn', `Devices of "${resource}" are unhealthy: ${illness}`);
  else if (before !== undefined) log('info', `Devices of "${resource}" are healthy again`);
}
