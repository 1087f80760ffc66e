import { BINDINGS } from '../bindings.ts';
import type { NadIndex } from './nad-index.ts';
import { type NadSeen, WIRINGS, type Wiring } from './nads.ts';

/** A NAD as a registration or a network names it. */
interface Reference {
  /** null: it is in the VM's namespace. */
  readonly namespace: string | null;
  readonly name: string;
}

/** `namespace/name`, or `name`. Source: kubevirt pkg/network/multus, nad.go */
export function parseReference(text: string): Reference {
  const [namespace = '', name] = text.split('/', 2);
  return name === undefined ? { namespace: null, name: namespace } : { namespace, name };
}

/** Whether a text can name a NAD: the API server takes no other names. */
export const isReference = (text: string): boolean => /^([a-z0-9.-]+\/)?[a-z0-9.-]+$/.test(text);

/** The NAD that a VM of this namespace gets; undefined if the files do not have it. */
export function findNad(
  { namespace, name }: Reference,
  vmNamespace: string,
  nads: NadIndex,
): NadSeen | undefined {
  return nads.find(namespace ?? vmNamespace, name);
}

/** Our manifests' names mean what they mean there, also in files without the NADs. */
const KNOWN = new Map(WIRINGS.map((wiring) => [BINDINGS[wiring].nad?.name, wiring]));

/**
 * What the NAD wires that a registration names; null: nothing of ours, or nobody knows.
 *
 * @param vmNamespace where a name without namespace is looked for; null: anywhere
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
