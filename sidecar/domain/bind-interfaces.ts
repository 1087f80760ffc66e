import { BindingError } from '../../shared/errors.ts';
import { type Edit, insertAfter, insertFirst, replaceElement, splice } from '../xml/edit.ts';
import { lengthOf } from '../xml/markup.ts';
import { childrenNamed, type Element, parseXml } from '../xml/xml.ts';
import type { BoundInterface, RenderedInterface } from './bound-interface.ts';
import { shareMemory } from './memory-backing.ts';
import { argumentEdits } from './qemu-commandline.ts';
import { declarePrefix } from './qemu-namespace.ts';
import { overrideEdits } from './qemu-override.ts';
import { refuseSharedMac } from './shared-mac.ts';

/**
 * Writes interfaces into a domain, together with what else they need there. Each interface replaces
 * the one with the same alias; if there is none, it follows the last interface. The rest of the
 * document stays byte for byte, and a second call changes nothing.
 *
 * @throws {BindingError} INVALID_DOMAIN; INVALID_VMI if two interfaces have the same MAC address
 */
export function bindInterfaces(domainXml: Uint8Array, bound: readonly BoundInterface[]): Buffer {
  const { text, root } = parseXml(domainXml);
  const devices = requireDevices(root);
  const present = interfacesByAlias(devices);
  const rendered = bound.map((one): RenderedInterface => {
    const current = requireAtMostOne(present, one);
    return { name: one.name, current, next: one.render(current) };
  });
  refuseSharedMac(devices, rendered);
  refuseGrowth(rendered);

  // The process at the other end of vhost-user reads and writes the guest's memory.
  const sharer = rendered.find(({ next }) => next.attributes?.['type'] === 'vhostuser');
  const args = bound.flatMap(({ needs }) => needs.arguments);
  const overrides = bound.flatMap(({ needs }) => needs.overrides);
  const edits = [
    ...(args.length + overrides.length === 0 ? [] : declarePrefix(root)),
    ...interfaceEdits(text, root, devices, rendered),
    ...(sharer === undefined ? [] : shareMemory(text, root, sharer.name)),
    ...argumentEdits(text, root, args),
    ...overrideEdits(text, root, overrides),
  ];
  return Buffer.from(splice(text, edits), 'utf8');
}

function requireDevices(root: Element): Element {
  if (root.name !== 'domain' || root.namespace !== '') {
    throw new BindingError(
      'INVALID_DOMAIN',
      `Cannot read domain XML: its root is <${root.name}>, not <domain>`,
    );
  }
  const [devices, ...others] = childrenNamed(root, 'devices');
  if (devices === undefined || others.length > 0) {
    throw new BindingError(
      'INVALID_DOMAIN',
      `Cannot read domain XML: it has ${devices ? 'more than one' : 'no'} <devices>`,
    );
  }
  return devices;
}

function interfacesByAlias(devices: Element): Map<string, Element[]> {
  const interfaces = childrenNamed(devices, 'interface');
  const pairs = interfaces.flatMap((one) =>
    childrenNamed(one, 'alias').map(({ attributes }) => ({ one, alias: attributes['name'] ?? '' })),
  );
  const grouped = Map.groupBy(pairs, ({ alias }) => alias);
  return new Map([...grouped].map(([alias, same]) => [alias, same.map(({ one }) => one)]));
}

/** Returns the interface that has the alias; undefined if there is none. Rejects several. */
function requireAtMostOne(
  present: ReadonlyMap<string, readonly Element[]>,
  { name, alias }: BoundInterface,
): Element | undefined {
  const [found, ...others] = present.get(alias) ?? [];
  if (others.length > 0) {
    const reason = `the domain has ${others.length + 1} interfaces with alias "${alias}"`;
    throw new BindingError('INVALID_DOMAIN', `Cannot bind interface "${name}": ${reason}`);
  }
  return found;
}

/**
 * Maximum length in characters of all written interfaces together, a thousand times what one needs.
 */
const MAX_INTERFACES = 1024 * 1024;

/**
 * Rejects interfaces that grow too long. Escaping makes the attributes that stay up to five times
 * as long, and virt-launcher accepts at most 4 MiB.
 */
function refuseGrowth(rendered: readonly RenderedInterface[]): void {
  const length = rendered.reduce((sum, { next }) => sum + lengthOf(next), 0);
  if (length <= MAX_INTERFACES) return;
  throw new BindingError(
    'INVALID_DOMAIN',
    `Cannot bind interfaces: their XML would have ${length} characters, more than ${MAX_INTERFACES}`,
  );
}

function interfaceEdits(
  text: string,
  root: Element,
  devices: Element,
  rendered: readonly RenderedInterface[],
): Edit[] {
  const replaced = rendered.flatMap(({ current, next }) =>
    current === undefined ? [] : [replaceElement(text, current, devices, next)],
  );
  const missing = rendered.filter(({ current }) => current === undefined).map(({ next }) => next);
  if (missing.length === 0) return replaced;

  const last = childrenNamed(devices, 'interface').at(-1);
  const added =
    last === undefined
      ? insertFirst(text, devices, root, missing)
      : insertAfter(text, last, devices, missing);
  return [...replaced, added];
}
