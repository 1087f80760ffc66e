import { BindingError } from '../../shared/errors.ts';
import { appendTo, type Edit, insertBehind } from '../xml/edit.ts';
import type { NewElement } from '../xml/markup.ts';
import { childrenNamed, type Element } from '../xml/xml.ts';

const SHARED: NewElement = { name: 'access', attributes: { mode: 'shared' } };
/** Anonymous memory cannot be shared, and files would need a place to lie in. */
const MEMFD: NewElement = { name: 'source', attributes: { type: 'memfd' } };

/**
 * Lets a vhost-user backend open the guest's memory. What is shared already keeps its source, huge pages keep theirs.
 *
 * @param interfaceName whose backend it is, for messages
 * @throws {BindingError} INVALID_DOMAIN when the memory is to be private
 * Source: libvirt "Memory Backing", "vhost-user interface"
 */
export function shareMemory(text: string, root: Element, interfaceName: string): Edit[] {
  const refused = (reason: string) =>
    new BindingError('INVALID_DOMAIN', `Cannot bind interface "${interfaceName}": ${reason}`);

  const [backing, ...others] = childrenNamed(root, 'memoryBacking');
  if (others.length > 0) throw refused('the domain has more than one <memoryBacking>');
  if (backing === undefined) {
    const last = root.children.at(-1);
    const added = { name: 'memoryBacking', attributes: {}, children: [MEMFD, SHARED] };
    return last === undefined ? [] : [insertBehind(text, last, root, [added])];
  }
  const [access] = childrenNamed(backing, 'access');
  if (access !== undefined) {
    const { mode } = access.attributes;
    if (mode === 'shared') return [];
    const remedy = 'only a binding without vhost-user works with that (passt: TAPWIRE_PASST_BACKEND=user)';
    throw refused(
      `it needs shared guest memory, and the domain's memoryBacking has access mode "${mode}"; ${remedy}`,
    );
  }
  const hasSource = ['source', 'hugepages'].some((name) => childrenNamed(backing, name).length > 0);
  return [appendTo(text, backing, root, hasSource ? [SHARED] : [MEMFD, SHARED])];
}
