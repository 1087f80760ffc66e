import { array, fields, optional, show, string } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import type { AttachmentKey } from '../../shared/record.ts';
import { type AskedPassage, askedPassageOf } from './asked-passage.ts';
import { type Pod, parseCniArgs } from './cni-args.ts';
import { decodeNetConf, IDENTIFIER, MAX_DETAILS, type NetConf, requireBase } from './config.ts';
import { ifnameDefect } from './ifname.ts';
import { parseInput } from './input.ts';
import { deviceNodeOf, masterOf } from './macvtap-config.ts';
import type { Version } from './version.ts';

/**
 * A call by the container runtime. `version` is the CNI version of the configuration, and of the
 * result.
 */
export type CniRequest =
  | { readonly command: 'VERSION' }
  | { readonly command: 'GC'; readonly version: Version }
  | {
      readonly command: 'STATUS';
      readonly version: Version;
      /** The device of the node on which the configuration creates macvtaps; null: on none. */
      readonly master: string | null;
      /** What the configuration asks for between guest, pod and network; null: nothing. */
      readonly passage: AskedPassage | null;
    }
  | {
      readonly command: 'ADD' | 'CHECK';
      readonly version: Version;
      readonly key: AttachmentKey;
      readonly netns: string;
      readonly conf: NetConf;
      readonly pod: Pod;
    }
  | {
      readonly command: 'DEL';
      readonly key: AttachmentKey;
      /** Null if the runtime no longer knows the netns. */
      readonly netns: string | null;
      /** The number of a device node that may be left; null: there is none. */
      readonly deviceNode: number | null;
    };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Required variables in the order in which the library reports them (libcni skel). */
const VARIABLES = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] as const;
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  ADD: VARIABLES,
  CHECK: VARIABLES,
  // CNI SPEC §2. The library also requires CNI_PATH, which DEL does not need: it delegates nothing.
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
};

/**
 * Parses a call of the plugin. Pure. Protocol errors use the words of the reference library, which
 * runtimes and administrators know; `details` adds the rejected value or the expected form.
 *
 * @throws {BindingError} INVALID_ENVIRONMENT, INVALID_JSON, INCOMPATIBLE_VERSION, INVALID_CONFIG
 * Source: CNI SPEC §2, libcni pkg/skel
 */
export function parseRequest(env: Environment, readStdin: () => Buffer): CniRequest {
  const command = env['CNI_COMMAND'] ?? '';
  requireEnvironment(command, env);
  if (command === 'VERSION') return { command };

  const key = { containerId: env['CNI_CONTAINERID'] ?? '', ifname: env['CNI_IFNAME'] ?? '' };
  const netns = env['CNI_NETNS'] ?? '';
  if (command === 'DEL') {
    const deviceNode = deviceNodeOf(readLeniently(readStdin), key);
    return { command, key, netns: netns === '' ? null : netns, deviceNode };
  }

  const conf = parseInput(readStdin());
  const version = requireBase(conf, command);
  switch (command) {
    case 'ADD':
    case 'CHECK': {
      const { pod, mac } = parseCniArgs(env['CNI_ARGS'] ?? '');
      const decoded = decodeNetConf(conf);
      // CNI CONVENTIONS: the MAC in the configuration takes precedence over CNI_ARGS.
      return { command, version, key, netns, conf: { ...decoded, mac: decoded.mac ?? mac }, pod };
    }
    default:
      decodeAttachments(conf, '$');
      return command === 'STATUS'
        ? { command, version, master: masterOf(conf), passage: askedPassageOf(conf) }
        : { command: 'GC', version };
  }
}

/**
 * Reads stdin for DEL and ignores errors. An invalid configuration must not prevent the deletion of
 * a pod: after ADD has rejected a configuration, the runtime calls DEL with the same one. Reads it
 * anyway, so that the runtime can finish writing, and because an error result has the version of
 * the configuration.
 */
function readLeniently(readStdin: () => Buffer): unknown {
  try {
    return parseInput(readStdin());
  } catch {
    return null; // An error result then has the default version.
  }
}

const invalid = (message: string, details?: string): BindingError =>
  new BindingError('INVALID_ENVIRONMENT', message, details === undefined ? {} : { details });

function requireEnvironment(command: string, env: Environment): void {
  if (command === '') throw invalid('required env variables [CNI_COMMAND] missing');
  const required = Object.hasOwn(REQUIRED, command) ? REQUIRED[command] : undefined;
  if (required === undefined) throw invalid(`unknown CNI_COMMAND: ${command.slice(0, MAX_DETAILS)}`);

  if (command !== 'DEL') requireNames(required, env);

  const missing = required.filter((name) => (env[name] ?? '') === '');
  if (missing.length > 0) throw invalid(`required env variables [${missing.join(',')}] missing`);
}

/**
 * Requires valid names. Not called for DEL, which must not fail: ADD has already rejected invalid
 * names.
 */
function requireNames(required: readonly string[], env: Environment): void {
  const { CNI_CONTAINERID: containerId = '', CNI_IFNAME: ifname = '' } = env;
  if (required.includes('CNI_CONTAINERID') && containerId !== '' && !IDENTIFIER.test(containerId)) {
    throw invalid('invalid characters in containerID', containerId.slice(0, MAX_DETAILS));
  }
  const defect = ifname === '' || !required.includes('CNI_IFNAME') ? undefined : ifnameDefect(ifname);
  if (defect !== undefined) throw invalid(defect, `CNI_IFNAME is ${show(ifname)}`);
}

/**
 * Validates the attachments that GC must keep. They are not used, because no state outlives the
 * netns.
 */
const decodeAttachments = fields({
  'cni.dev/valid-attachments': optional(array(fields({ containerID: string, ifname: string })), null),
});
