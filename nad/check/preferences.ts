import { fullName, get, type Resource } from './resource.ts';

/** What a preference sets where the VM does not; null: nobody knows. */
export interface Preference {
  readonly multiQueue: boolean | null;
  /** Model of NICs; "": none. */
  readonly interfaceModel: string | null;
  /** Whether a NIC on the pod network without any binding gets masquerade. */
  readonly masquerade: boolean | null;
}

/** Preferences by kind and name. */
export type Preferences = ReadonlyMap<string, Preference>;

const NONE: Preference = { multiQueue: false, interfaceModel: '', masquerade: false };
const UNKNOWN: Preference = { multiQueue: null, interfaceModel: null, masquerade: null };

const CLUSTER = 'virtualmachineclusterpreference';
const NAMESPACED = 'virtualmachinepreference';

/** Source: kubevirt pkg/instancetype/preference/apply */
export function readPreferences(resources: readonly Resource[]): Preferences {
  const preferences = resources.filter(({ group }) => group === 'instancetype.kubevirt.io');
  return new Map(
    preferences.map((one) => {
      const devices = get(one.value, 'spec', 'devices');
      const model = get(devices, 'preferredInterfaceModel');
      return [
        keyOf(one.kind, one),
        {
          multiQueue: get(devices, 'preferredNetworkInterfaceMultiQueue') === true,
          interfaceModel: typeof model === 'string' ? model : '',
          masquerade: get(devices, 'preferredInterfaceMasquerade') !== undefined,
        },
      ];
    }),
  );
}

/** @param matcher `spec.preference` of a VM; one that is inferred from a volume has no name */
export function findPreference(matcher: unknown, namespace: string, preferences: Preferences): Preference {
  if (matcher === undefined || matcher === null) return NONE;
  const [name, kind] = [get(matcher, 'name'), get(matcher, 'kind')];
  if (typeof name !== 'string' || name === '') return UNKNOWN;
  return preferences.get(keyOf(typeof kind === 'string' ? kind : '', { namespace, name })) ?? UNKNOWN;
}

/** Kinds are read in any case and in the plural, too; without one a cluster's is meant. */
function keyOf(kind: string, one: Pick<Resource, 'namespace' | 'name'>): string {
  const singular = kind.toLowerCase().replace(/s$/, '') || CLUSTER;
  return `${singular} ${singular === NAMESPACED ? fullName(one) : one.name}`;
}
