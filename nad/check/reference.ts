import { decodeNetConf } from '../../cni/request/config.ts';
import { BINDING_KINDS, BINDINGS, isForRegistration } from '../bindings.ts';
import { type NadSeen, type Wired, type Wiring, wiredBy } from './nad-config.ts';
import type { NadIndex } from './nad-index.ts';
import type { Registered } from './registrations.ts';
import type { Interface, Vm } from './vm.ts';

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

/** The bindings whose registrations name a NAD, for files that have neither. */
const SHIPPED = BINDING_KINDS.map((kind) => BINDINGS[kind]).flatMap((manifests) => {
  const { nad, registeredAs } = manifests;
  if (nad === null || !isForRegistration(manifests)) return [];
  const conf = { cniVersion: '1.0.0', name: nad.name, type: 'tapwire', ...nad.config };
  return [{ nad: nad.name, registeredAs, wired: wiredBy(decodeNetConf(conf)) }];
});

/**
 * Finds out what the NAD does that a registration or network names. Null if it does not run
 * Tapwire, or is unknown.
 *
 * @param vmNamespace namespace to search if the text names none; null to search all namespaces
 */
export function wiredByReference(text: unknown, vmNamespace: string | null, nads: NadIndex): Wired | null {
  if (typeof text !== 'string' || text === '') return null;
  const reference = parseReference(text);
  const nad =
    vmNamespace === null && reference.namespace === null
      ? nads.named(reference.name)[0]
      : findNad(reference, vmNamespace ?? '', nads);
  if (nad === undefined) return SHIPPED.find((one) => one.nad === reference.name)?.wired ?? null;
  return nad.wiring === null ? null : { wiring: nad.wiring, servesGuest: nad.servesGuest };
}

/** The same, without what the guest is told. */
export const wiringOfReference = (text: unknown, vmNamespace: string | null, nads: NadIndex): Wiring | null =>
  wiredByReference(text, vmNamespace, nads)?.wiring ?? null;

/**
 * Finds out what the NAD of an interface's binding does. Null if it does not run Tapwire, or is
 * unknown.
 *
 * @param registered undefined if the files do not register the binding
 */
export function wiredByBinding(
  { binding }: Pick<Interface, 'binding'>,
  registered: Registered | undefined,
  { namespace }: Pick<Vm, 'namespace'>,
  nads: NadIndex,
): Wired | null {
  if (registered === undefined) return SHIPPED.find((one) => one.registeredAs === binding)?.wired ?? null;
  return wiredByReference(registered.plugin['networkAttachmentDefinition'], namespace, nads);
}
