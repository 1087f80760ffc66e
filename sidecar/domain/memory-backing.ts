import { BindingError } from '../../shared/errors.ts';
import { appendTo, type Edit, insertAfter } from '../xml/edit.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';

const SHARED: NewElement = { name: 'access', attributes: { mode: 'shared' } };
/** Source of the memory: anonymous memory cannot be shared, and files would need a directory. */
const MEMFD: NewElement = { name: 'source', attributes: { type: 'memfd' } };

/**
 * Makes the guest's memory shared, so that a vhost-user backend can open it. Memory that is shared
 * already keeps its source, and huge pages stay huge pages.
 *
 * @param interfaceName interface that needs the backend, for messages
 * @throws {BindingError} INVALID_DOMAIN if the domain requires private memory
 * Source: libvirt "Memory Backing", "vhost-user interface"
 */
export function shareMemory(text: string, root: Element, interfaceName: string): Edit[] {
  const invalidDomain = (reason: string) =>
    new BindingError('INVALID_DOMAIN', `Cannot bind interface "${interfaceName}": ${reason}`);

  const [backing, ...others] = childrenNamed(root, 'memoryBacking');
  if (others.length > 0) throw invalidDomain('the domain has more than one <memoryBacking>');
  if (backing === undefined) {
    const last = root.children.at(-1);
    const added = { name: 'memoryBacking', attributes: {}, children: [MEMFD, SHARED] };
    return last === undefined ? [] : [insertAfter(text, last, root, [added])];
  }
  const [access] = childrenNamed(backing, 'access');
  if (access !== undefined) {
    const { mode } = access.attributes;
    if (mode === 'shared') return [];
    const remedy = 'use a binding without vhost-user (for passt, set TAPWIRE_PASST_BACKEND=user)';
    throw invalidDomain(
      `it needs shared guest memory, but the domain's memoryBacking has access mode "${mode}"; ${remedy}`,
    );
  }
  const hasSource = ['source', 'hugepages'].some((name) => childrenNamed(backing, name).length > 0);
  return [appendTo(text, backing, root, hasSource ? [SHARED] : [MEMFD, SHARED])];
}
