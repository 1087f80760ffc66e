import { get } from '../../shared/json.ts';
import type { Resource } from './resource.ts';

/** Strategies by which KubeVirt keeps a VM running without being asked again. */
const RUNNING = ['Always', 'RerunOnFailure', 'Once'];

/**
 * Number of pods that an object needs at a time. A VMI that belongs to another object counts as 0,
 * because that object is usually in the files as well; so does a VM that is stopped.
 */
export function podsOf({ kind, value }: Resource): number {
  const spec = get(value, 'spec');
  switch (kind) {
    case 'VirtualMachine': {
      const isRunning = get(spec, 'running') === true || RUNNING.includes(String(get(spec, 'runStrategy')));
      return isRunning || get(value, 'status', 'created') === true ? 1 : 0;
    }
    case 'VirtualMachineInstance':
      return Array.isArray(get(value, 'metadata', 'ownerReferences')) || hasEnded(value) ? 0 : 1;
    default: {
      const replicas = get(spec, 'replicas');
      return typeof replicas === 'number' ? replicas : 1;
    }
  }
}

const hasEnded = (vmi: unknown): boolean =>
  ['Succeeded', 'Failed'].includes(String(get(vmi, 'status', 'phase')));

/**
 * Names of the volumes that KubeVirt plugs into the running VM.
 *
 * @param spec of the VMI
 */
export function hotplugVolumesOf(spec: unknown): readonly string[] {
  const volumes = get(spec, 'volumes');
  if (!Array.isArray(volumes)) return [];
  return volumes
    .filter((volume) => SOURCES.some((source) => get(volume, source, 'hotpluggable') === true))
    .map((volume) => String(get(volume, 'name')));
}

const SOURCES = ['dataVolume', 'persistentVolumeClaim'];
