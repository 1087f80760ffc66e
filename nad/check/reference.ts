import { BINDINGS, isForRegistration } from '../bindings.ts';
import { type NadSeen, WIRINGS, type Wiring } from './nad-config.ts';
import type { NadIndex } from './nad-index.ts';

/** Name of a NAD in a registration or a network. */
interface Reference {
  /** Null means the VM's namespace. */
  readonly namespace: string | null;
  readonly name: string;
}

/** Parses `namespace/name` or `name`. Source: kubevirt pkg/network/multus, nad.go */
export function parseReference(text: string): Reference {
  const [namespace = '', name] = text.split('/', 2);
  return name === undefined ? { namespace: null, name: namespace } : { namespace, name };
}

/** Whether a text can name a NAD. The API server rejects all other names. */
export const isReference = (text: string): boolean => /^([a-z0-9.-]+\/)?[a-z0-9.-]+$/.test(text);

/** Finds the NAD that a VM of this namespace gets. Undefined if the files do not have it. */
export function findNad(
  { namespace, name }: Reference,
  vmNamespace: string,
  nads: NadIndex,
): NadSeen | undefined {
  return nads.find(namespace ?? vmNamespace, name);
}

/**
 * Maps the names of the NADs that Tapwire's registrations name to their wiring, for files that do
 * not contain these NADs.
 */
const KNOWN = new Map(
  WIRINGS.filter((wiring) => isForRegistration(BINDINGS[wiring])).map((wiring) => [
    BINDINGS[wiring].nad?.name,
    wiring,
  ]),
);

/**
 * Finds the wiring of the NAD that a registration or network names. Null if it does not run
 * Tapwire, or is unknown.
 *
 * @param vmNamespace namespace to search if the text names none; null to search all namespaces
 */
export function wiringOfReference(text: unknown, vmNamespace: string | null, nads: NadIndex): Wiring | null {
  if (typeof text !== 'string' || text === '') return null;
  const reference = parseReference(text);
  const nad =
    vmNamespace === null && reference.namespace === null
      ? nads.named(reference.name)[0]
      : findNad(reference, vmNamespace ?? '', nads);
  return nad === undefined ? (KNOWN.get(reference.name) ?? null) : nad.wiring;
}
