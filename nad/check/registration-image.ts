import { BINDING_NAMES, type Binding, kindOfName } from '../../shared/bindings.ts';
import { show } from '../../shared/decode.ts';
import { type Finding, failure, warning } from './finding.ts';
import type { NadIndex } from './nad-index.ts';
import { wiringOfReference } from './reference.ts';
import type { Registered } from './registrations.ts';

/** Placeholders that templates have instead of an image. */
const PLACEHOLDER = /^(IMAGE|<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%.*%)$/i;

const HOST = '[A-Za-z0-9.-]+(?::\\d+)?/|\\[[\\da-fA-F:]+\\](?::\\d+)?/';
const PATH = '[a-z0-9]+(?:[._/-]+[a-z0-9]+)*';
const IMAGE = new RegExp(`^(?:${HOST})?${PATH}(?::\\w[\\w.-]{0,127})?(?:@[a-z0-9+._-]+:[\\da-f]{32,})?$`);

/**
 * Checks the image as kubelet does, which would report InvalidImageName.
 *
 * Source: distribution/reference
 */
export function checkImage({ name, at }: Registered, image: string): readonly Finding[] {
  const subject = `binding "${name}": sidecarImage ${show(image)}`;
  const place = at('sidecarImage');
  if (PLACEHOLDER.test(image)) {
    return [
      warning(place, `${subject} is a placeholder, and no VM starts with it; write the name of the image`),
    ];
  }
  if (IMAGE.test(image)) return [];
  return [
    failure(place, `${subject} is not the name of an image, and no VM with this binding starts; correct it`),
  ];
}

/** The tag of an image whose sidecar serves one binding (scripts/image/names.ts). */
const TAG = new RegExp(`:\\d+\\.\\d+\\.\\d+[\\w.-]*-(${BINDING_NAMES.join('|')})(?:@|$)`);

/** Checks that an image for one binding is registered for this binding. */
export function checkImageKind({ name, plugin, at }: Registered, nads: NadIndex): readonly Finding[] {
  const image = plugin['sidecarImage'];
  const [, serves] = TAG.exec(typeof image === 'string' ? image : '') ?? [];
  const kind = kindOf(name, wiringOfReference(plugin['networkAttachmentDefinition'], null, nads));
  if (serves === undefined || kind === null || serves === kind) return [];
  const reason = `is for ${serves} only, and this binding is ${kind}; use the image without "-${serves}" in its tag`;
  return [failure(at('sidecarImage'), `binding "${name}": sidecarImage ${show(image)} ${reason}`)];
}

function kindOf(name: string, wiring: ReturnType<typeof wiringOfReference>): Binding | null {
  if (wiring === null) return kindOfName(name);
  return wiring === 'passt' ? 'passt' : 'tap';
}
