/** The record that the CNI plugin leaves on each link that it creates, as the link's alias. Later versions and the sidecar read it. */
import { hash } from 'node:crypto';
import type { CniBinding } from './bindings.ts';
import type { Link } from './rtnetlink/link.ts';

/** Identifies an attachment of a container. A runtime never has two with the same pair (CNI SPEC §2). */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}

/** What DEL must restore on the pod link, besides deleting our filter. */
export interface Restore {
  /** Tapwire added the clsact qdisc. */
  readonly clsact: boolean;
  /** Tapwire turned allmulticast on. */
  readonly allmulti: boolean;
  /** The txqueuelen was 0; the kernel raises it with a link's first qdisc. */
  readonly noQueue: boolean;
  /** The link was down, and Tapwire set it up. Null: the record of a version that did not do that. */
  readonly down: boolean | null;
  /** Tapwire added rules that keep the pod's own stack from sending. */
  readonly silence: boolean;
}

/** The attachment that a link of Tapwire belongs to, and what ADD changed for it. */
export interface AttachmentRecord {
  readonly key: AttachmentKey;
  readonly binding: CniBinding;
  readonly podLink: string;
  /** MTU that ADD gave the tap. CHECK cannot use the pod link's: a later plugin may change it. Bytes. */
  readonly mtu: number;
  readonly restore: Restore;
  /** Marks of the claims in prevResult that ADD found untrue; null: an older ADD, which did not compare. */
  readonly told: readonly string[] | null;
}

/** Maximum length of an ifalias in bytes (linux IFALIASZ - 1). */
const MAX_IFALIAS_BYTES = 255;
/** The form that this version writes, and the only one that it undoes. */
const FORM = 'tapwire/1';
const ANY_FORM = /^tapwire\/\d+$/;

/**
 * Encodes the record as an ifalias, readable in `ip link`: `tapwire/1 container=… ifname=net1 binding=tap link=eth0 mtu=1500 clsact=1
 * allmulti=0 noqueue=0 down=0 silence=1 told=0`. A container id that does not fit is replaced by its hash.
 */
export function encodeRecord({ key, binding, podLink, mtu, restore, told }: AttachmentRecord): string {
  const encode = (container: string) =>
    `${FORM} container=${container} ifname=${key.ifname} binding=${binding} link=${podLink} mtu=${mtu} ` +
    `clsact=${Number(restore.clsact)} allmulti=${Number(restore.allmulti)} noqueue=${Number(restore.noQueue)} ` +
    `down=${Number(restore.down)} silence=${Number(restore.silence)}` +
    (told === null ? '' : ` told=${told.length === 0 ? '0' : told.join(',')}`);
  const whole = encode(key.containerId);
  return Buffer.byteLength(whole) <= MAX_IFALIAS_BYTES ? whole : encode(hashed(key.containerId));
}

/** Marks a hash. No container id starts like this, because ":" is not allowed in one. */
export const HASHED = 'sha256:';
export const hashed = (containerId: string): string => `${HASHED}${hash('sha256', containerId, 'hex')}`;

/** Whether a link can have the record of a binding: it is of the kind that the binding creates. */
const CAN_HAVE_RECORD = {
  tap: ({ tun }) => tun?.mode === 'tap',
  passt: () => false, // creates no link
} as const satisfies Record<CniBinding, (link: Link) => boolean>;

const isRecorded = (name: string): name is CniBinding => Object.hasOwn(CAN_HAVE_RECORD, name);

/**
 * Reads the record of a link that Tapwire created, of any attachment; the container id may be a hash of the real one. Null for every
 * other link, whatever its alias says.
 */
export function readRecord(link: Link): AttachmentRecord | null {
  const { form, values } = parseIfalias(link.ifalias);
  const binding = values.get('binding') ?? 'tap';
  if (form !== FORM || !isRecorded(binding) || !CAN_HAVE_RECORD[binding](link)) return null;
  return {
    key: { containerId: values.get('container') ?? '', ifname: values.get('ifname') ?? '' },
    binding,
    podLink: values.get('link') ?? '',
    mtu: Number(values.get('mtu')),
    restore: {
      clsact: values.get('clsact') === '1',
      allmulti: values.get('allmulti') === '1',
      noQueue: values.get('noqueue') === '1',
      down: values.has('down') ? values.get('down') === '1' : null,
      silence: values.get('silence') === '1',
    },
    told: decodeTold(values.get('told')),
  };
}

const decodeTold = (text: string | undefined): AttachmentRecord['told'] =>
  text === undefined ? null : text === '0' ? [] : text.split(',');

/** The binding that a record names, in any form: a sidecar may be older than the plugin. Undefined without a record. */
export function readBinding(link: Link): string | undefined {
  const { form, values } = parseIfalias(link.ifalias);
  return ANY_FORM.test(form) ? values.get('binding') : undefined;
}

/** Splits `FORM KEY=VALUE …`. */
function parseIfalias(ifalias: string | null): { form: string; values: ReadonlyMap<string, string> } {
  const [form = '', ...words] = (ifalias ?? '').split(' ');
  const values = words.map(
    (word) => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)] as const,
  );
  return { form, values: new Map(values) };
}
