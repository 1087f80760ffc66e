import { unreachable } from '../../shared/errors.ts';
import { printable } from '../../shared/printable.ts';
import type { Attachment, Inspection } from './inspection.ts';
import { macvtapNames, macvtapPicture } from './macvtap-picture.ts';
import { type Note, note, type Picture } from './parts.ts';
import { tapNames, tapPicture } from './tap-picture.ts';

/** Decides how an attachment is drawn. Pure. */
export function toPicture(attachment: Attachment): Picture {
  switch (attachment.binding) {
    case 'tap':
      return tapPicture(attachment);
    case 'macvtap':
      return macvtapPicture(attachment);
    default:
      return unreachable(attachment);
  }
}

/** Names both ends of an attachment, and the processes that have it open. Pure. */
export const toNames = (attachment: Attachment): string =>
  attachment.binding === 'tap' ? tapNames(attachment) : macvtapNames(attachment);

/** Notes on the netns as a whole. Pure. */
export function toNotes(inspection: Inspection): readonly Note[] {
  const { attachments, strays, sysctls, passt } = inspection;
  const isNothing = attachments.length === 0 && strays.length === 0 && passt === null;
  return [
    ...(isNothing ? [note('wired', 'nothing by Tapwire')] : []),
    ...(isNothing && sysctls !== null
      ? [note('passt', 'possible: it leaves no trace except the sysctls below')]
      : []),
    ...strays.map((stray) => note('stray', stray, false)),
    ...(passt?.defects.length === 0 ? [note('passt', 'as ADD left it', true)] : []),
    ...(passt?.defects ?? []).map((defect) => note('passt', defect, false)),
    ...Object.entries(sysctls ?? {}).map(([sysctl, value]) => note('sysctl', `${sysctl} = ${value}`)),
  ];
}

/** All differences from the state after ADD. */
export const defectsOf = ({ attachments, strays, passt }: Inspection): readonly string[] => [
  ...attachments.flatMap(({ defects }) => defects),
  ...strays,
  ...(passt?.defects ?? []),
];

/** Title of a netns: its pod and its path. */
export const titleOf = ({ pod, netns }: Inspection): string =>
  printable(pod === null ? netns : `${pod}  ${netns}`);
