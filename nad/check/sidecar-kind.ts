import {
  BINDING_NAMES,
  BINDINGS,
  type Binding,
  kindOfName,
  PINNED_BINDINGS,
  REGISTERED_AS,
} from '../../shared/bindings.ts';
import { show } from '../../shared/decode.ts';
import type { Minor } from '../kubevirt-versions.ts';
import { type Finding, failure, warning } from './finding.ts';
import type { NadIndex } from './nad-index.ts';
import { wiringOfReference } from './reference.ts';
import type { Registered } from './registrations.ts';

/** First KubeVirt version that tells a sidecar the name of its binding. */
const TELLS_NAME_SINCE: Minor = 9;
const SERVED_NAMES = Object.values(REGISTERED_AS);

/**
 * Finds registrations whose sidecar serves another kind of binding, or cannot know the kind. Of
 * images that are not named `tapwire`, it judges only a binding at the end of the tag, because they
 * may set the sidecar's variables.
 */
export function checkSidecarKind(registered: Registered, nads: NadIndex, minor: Minor): readonly Finding[] {
  const { name, plugin, at } = registered;
  const image = plugin['sidecarImage'];
  if (typeof image !== 'string' || image === '') return [];
  const place = at('sidecarImage');
  const subject = `binding "${name}": sidecarImage ${show(image)}`;
  const pinned = pinnedTo(image);
  const wired = wiredKind(registered, nads);
  const isAlone = !plugin['networkAttachmentDefinition'];
  const kind = wired ?? (isAlone ? kindOfName(name) : null);
  if (pinned !== null) {
    if (kind === null || kind === pinned) return [];
    const advice = `remove "-${pinned}" from its tag, because the image without it serves every binding`;
    return [failure(place, `${subject} serves only ${pinned}, but this binding is ${kind}; ${advice}`)];
  }
  if (!isTapwire(image) || plugin['domainAttachmentType']) return [];
  if (minor < TELLS_NAME_SINCE && !SERVED_NAMES.includes(name)) {
    const advice = `use one of those names, or build an image that sets TAPWIRE_BINDING_NAMES=${name}`;
    const reason = `does not serve this name before KubeVirt 1.${TELLS_NAME_SINCE}, only ${SERVED_NAMES.join(', ')}`;
    return [warning(place, `${subject} ${reason}; ${advice}`)];
  }
  if (wired !== 'passt' || kindOfName(name) === 'passt') return [];
  const advice =
    'give it a name with the word "passt", such as "lan-passt", or use the image with "-passt" in its tag';
  return [warning(place, `${subject} cannot know that this binding is passt; ${advice}`)];
}

/** Returns the binding at the end of an image's tag, such as `0.1.0-passt`. */
function pinnedTo(image: string): Binding | null {
  const tag = image.replace(/@.*$/, '').match(/:([\w.-]+)$/)?.[1] ?? '';
  return PINNED_BINDINGS.find((binding) => tag.endsWith(`-${binding}`)) ?? null;
}

/** Whether the last part of the repository is `tapwire`, whatever the registry. */
const isTapwire = (image: string): boolean => /(?:^|\/)tapwire(?:[:@]|$)/.test(image);

/** Returns the kind that the registration's NAD wires; null if the NAD is not Tapwire's. */
function wiredKind({ plugin }: Registered, nads: NadIndex): Binding | null {
  const wiring = wiringOfReference(plugin['networkAttachmentDefinition'], null, nads);
  if (wiring === null) return null;
  return BINDING_NAMES.find((binding) => Object.hasOwn(BINDINGS[binding].registeredAs, wiring)) ?? null;
}
