import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { callBack, collectHooks } from '../sidecar/hook-api.ts';
import { aborted, type Lab } from './lab.ts';
import { type Mount, QEMU_ID, shown, startInPod } from './pod-process.ts';
import { type Daemon, lastWords } from './run.ts';
import type { Vm } from './vm.ts';

const BUNDLE = join(import.meta.dirname, '../../../dist/sidecar');
const CONTAINER = 'hook-sidecar-0';

/** Tapwire's sidecar in the pod. */
export interface Sidecar {
  readonly process: Daemon;
  /** Path at which virt-launcher found it. */
  readonly socket: string;
}

/**
 * Starts the sidecar as its container would run, and collects it as virt-launcher does.
 *
 * @param mounts files that the container has in place of the machine's
 */
export async function startSidecar(
  lab: Lab,
  { binding }: Pick<Vm, 'binding'>,
  mounts: readonly Mount[] = [],
): Promise<Sidecar> {
  const hooks = join(lab.dir, 'hooks'); // the volume, of which the container mounts a subpath
  const directory = join(hooks, CONTAINER);
  mkdirSync(directory, { recursive: true });
  chownSync(directory, QEMU_ID, QEMU_ID);
  const node = shown(lab, process.execPath, 'node', 'file');
  const bundle = shown(lab, BUNDLE, 'sidecar', 'directory');
  const sidecar = startInPod(
    lab,
    'sidecar',
    [node, bundle, ...mounts],
    [node.to, join(bundle.to, 'index.js')],
    {
      CONTAINER_NAME: CONTAINER,
      NETWORK_BINDING_PLUGIN_NAME: binding,
      TAPWIRE_HOOK_DIR: directory,
    },
  );
  const early = sidecar.ended.then(() => {
    throw new Error(`Cannot run the sidecar: ${lastWords(sidecar)}`);
  });
  const [hook] = await Promise.race([collectHooks(hooks, 'nested', 1), early, aborted(lab.signal)]);
  early.catch(() => {}); // It exits, but later.
  if (hook === undefined) throw new Error('Cannot find the sidecar: no socket');
  return { process: sidecar, socket: hook.socket };
}

/**
 * Ends the sidecar as virt-launcher does after the VM. A nonzero exit status would fail the pod.
 */
export async function stopSidecar(sidecar: Sidecar): Promise<void> {
  await callBack(sidecar.socket, 'v1alpha3', 'Shutdown', {});
  const status = await sidecar.process.ended;
  if (status !== 0) throw new Error(`The sidecar ended with ${status}: ${lastWords(sidecar.process)}`);
}
