import { dirname } from 'node:path';
import type { MacvtapLowers } from '../cni/policy/macvtap-policy.ts';
import { messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import type { DeviceCount, DevicePlugin } from './device-plugin/device-plugin.ts';
import { DirectoryWatch } from './directory-watch.ts';

/** The devices that the node policy file offers. */
export interface Devices {
  /** For the metrics. */
  readonly counts: () => readonly DeviceCount[];
  /** Stops offering devices; resolves when all sockets are closed. */
  stop(): Promise<void>;
}

export interface DevicesOptions {
  /** Path of the node policy file. */
  readonly nodeFile: string;
  /** @throws {BindingError} NOT_ALLOWED */
  readonly readResources: () => MacvtapLowers;
  readonly onAllocate: (resource: string, count: number) => void;
}

/**
 * Offers the macvtap resources of the node policy file, and follows changes of that file. The
 * device plugin is loaded when the file first has a resource: most nodes have none, and the gRPC
 * library takes time and memory.
 *
 * `offer` reads the file, and keeps the last valid resources if it is invalid; `change` makes sure
 * that it runs once at a time.
 */
export async function startDevices(options: DevicesOptions): Promise<Devices> {
  let plugin: DevicePlugin | null = null;
  let failure: string | null = null;
  let last = '';
  let running = Promise.resolve();
  let isWaiting = false;
  let isStopped = false;

  const offer = async (): Promise<void> => {
    isWaiting = false;
    try {
      const lowers = options.readResources();
      const now = JSON.stringify([lowers.resources, lowers.kubeletDirectory]);
      failure = null;
      if (isStopped || now === last || (plugin === null && lowers.resources.length === 0)) return;
      plugin ??= await load(options.onAllocate);
      await plugin.offer(lowers);
      last = now;
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== failure) log('error', `Cannot offer devices: ${reason}; the earlier ones stay`);
      failure = reason;
    }
  };
  const change = (): Promise<void> => {
    if (!isWaiting) running = running.then(offer);
    isWaiting = true;
    return running;
  };

  const watch = new DirectoryWatch(dirname(options.nodeFile), change);
  await change();
  return {
    counts: () => plugin?.counts() ?? [],
    async stop() {
      isStopped = true;
      watch.close();
      await running;
      await plugin?.close();
    },
  };
}

async function load(onAllocate: DevicesOptions['onAllocate']): Promise<DevicePlugin> {
  const { DevicePlugin } = await import(/* webpackMode: "eager" */ './device-plugin/device-plugin.ts');
  return new DevicePlugin(onAllocate);
}
