import { appendTo, type Edit, replaceElement } from '../xml/edit.ts';
import type { NewElement } from '../xml/markup.ts';
import type { Element } from '../xml/xml.ts';
import { addToContainer, qemuChildren, sibling } from './qemu-namespace.ts';

/** A property, a string, of the QEMU device with that alias, in place of what libvirt gives it. */
export interface QemuOverride {
  readonly alias: string;
  readonly property: string;
  readonly value: string;
}

/** Makes the domain override these properties, at most one of a device. What others override stays. */
export function overrideEdits(text: string, root: Element, overrides: readonly QemuOverride[]): Edit[] {
  /** Alias => the device that somebody overrides, the first of them. */
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
      name: sibling(like, 'device'),
      attributes: { alias: wanted.alias },
      children: [newFrontend(like, wanted)],
    })),
  );
  return [...edits, ...added];
}

/** Within a device of which something is overridden already. */
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
  name: sibling(like, 'frontend'),
  attributes: {},
  children: [newProperty(like, wanted)],
});

const newProperty = (like: Pick<Element, 'name'>, { property, value }: QemuOverride): NewElement => ({
  name: sibling(like, 'property'),
  attributes: { name: property, type: 'string', value },
});
