import { get } from '../../shared/json.ts';
import { byKey, findMatched } from './matchers.ts';
import type { Resource } from './resource.ts';

/** Defaults that a preference gives to a VM; null if unknown. */
export interface Preference {
  readonly multiQueue: boolean | null;
  /** Model of NICs; "" if the preference names none. */
  readonly interfaceModel: string | null;
  /** Whether a NIC on the pod network without a binding method gets masquerade. */
  readonly masquerade: boolean | null;
}

/** Preferences by kind and name. */
export type Preferences = ReadonlyMap<string, Preference>;

const NONE: Preference = { multiQueue: false, interfaceModel: '', masquerade: false };
const UNKNOWN: Preference = { multiQueue: null, interfaceModel: null, masquerade: null };

/** Reads all preferences. Source: kubevirt pkg/instancetype/preference/apply */
export function readPreferences(resources: readonly Resource[]): Preferences {
  return byKey(resources, 'preference', ({ value }) => {
    const devices = get(value, 'spec', 'devices');
    const model = get(devices, 'preferredInterfaceModel');
    return {
      multiQueue: get(devices, 'preferredNetworkInterfaceMultiQueue') === true,
      interfaceModel: typeof model === 'string' ? model : '',
      masquerade: get(devices, 'preferredInterfaceMasquerade') !== undefined,
    };
  });
}

/** Finds the preference of a VM. @param matcher `spec.preference` of the VM */
export function findPreference(matcher: unknown, namespace: string, preferences: Preferences): Preference {
  if (matcher === undefined || matcher === null) return NONE;
  return findMatched('preference', matcher, namespace, preferences) ?? UNKNOWN;
}
