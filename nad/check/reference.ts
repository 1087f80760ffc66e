import { BINDINGS } from '../bindings.ts';
import { type NadSeen, WIRES, type Wires } from './nads.ts';

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

/** The NAD that a VM of this namespace gets; undefined where the files do not have it. */
export function findNad(
  { namespace, name }: Reference,
  vmNamespace: string,
  nads: readonly NadSeen[],
): NadSeen | undefined {
  return nads.find((nad) => nad.name === name && nad.namespace === (namespace ?? vmNamespace));
}

/** Our manifests' names mean what they mean there, also in files without the NADs. */
const KNOWN = new Map(WIRES.map((wires) => [BINDINGS[wires].nad?.name, wires]));

/**
 * What the NAD wires that a registration names; null: nothing of ours, or nobody knows.
 *
 * @param vmNamespace where a name without namespace is looked for; null: anywhere
 */
export function wiresOfReference(
  text: unknown,
  vmNamespace: string | null,
  nads: readonly NadSeen[],
): Wires | null {
  if (typeof text !== 'string' || text === '') return null;
  const reference = parseReference(text);
  const nad =
    vmNamespace === null && reference.namespace === null
      ? nads.find(({ name }) => name === reference.name)
      : findNad(reference, vmNamespace ?? '', nads);
  return nad === undefined ? (KNOWN.get(reference.name) ?? null) : nad.wires;
}
