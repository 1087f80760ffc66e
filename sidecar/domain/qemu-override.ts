import { appendTo, type Edit, replaceElement } from '../xml/edit.ts';
import type { NewElement } from '../xml/markup.ts';
import type { Element } from '../xml/xml.ts';
import { addToContainer, qemuChildren, withPrefixOf } from './qemu-namespace.ts';

/**
 * A value for a string property of the QEMU device with this alias. It replaces the value that
 * libvirt sets.
 */
export interface QemuOverride {
  readonly alias: string;
  readonly property: string;
  readonly value: string;
}

/**
 * Makes the domain override these properties. Overrides of other properties stay.
 *
 * @param overrides at most one for each device
 */
export function overrideEdits(text: string, root: Element, overrides: readonly QemuOverride[]): Edit[] {
  /** Maps each alias to the first `<qemu:device>` that overrides a property of that device. */
  const devices = new Map(
    qemuChildren([root], 'override')
      .flatMap((container) =>
        qemuChildren([root, container], 'device').map((device) => ({ container, device })),
      )
      .map((found) => [found.device.attributes['alias'], found] as const)
      .reverse(),
  );
  const missing: QemuOverride[] = [];
  const edits: Edit[] = [];
  for (const wanted of overrides) {
    const found = devices.get(wanted.alias);
    if (found === undefined) missing.push(wanted);
    else edits.push(...propertyEdits(text, root, found.container, found.device, wanted));
  }
  const added = addToContainer(text, root, 'override', (like) =>
    missing.map((wanted) => ({
      name: withPrefixOf(like, 'device'),
      attributes: { alias: wanted.alias },
      children: [newFrontend(like, wanted)],
    })),
  );
  return [...edits, ...added];
}

/** Sets the property in a `<qemu:device>` that exists already. */
function propertyEdits(
  text: string,
  root: Element,
  container: Element,
  device: Element,
  wanted: QemuOverride,
): Edit[] {
  const [frontend] = qemuChildren([root, container, device], 'frontend');
  if (frontend === undefined) return [appendTo(text, device, container, [newFrontend(device, wanted)])];

  const next = newProperty(frontend, wanted);
  const current = qemuChildren([root, container, device, frontend], 'property').find(
    ({ attributes }) => attributes['name'] === wanted.property,
  );
  if (current === undefined) return [appendTo(text, frontend, device, [next])];
  const { type, value } = current.attributes;
  if (type === 'string' && value === wanted.value) return [];
  return [replaceElement(text, current, frontend, { ...next, name: current.name })];
}

const newFrontend = (like: Pick<Element, 'name'>, wanted: QemuOverride): NewElement => ({
  name: withPrefixOf(like, 'frontend'),
  attributes: {},
  children: [newProperty(like, wanted)],
});

const newProperty = (like: Pick<Element, 'name'>, { property, value }: QemuOverride): NewElement => ({
  name: withPrefixOf(like, 'property'),
  attributes: { name: property, type: 'string', value },
});
