import { array, fields, optional, show, string } from '../../shared/decode.ts';
import { BindingError } from '../../shared/errors.ts';
import type { AttachmentKey } from '../../shared/record.ts';
import { parseCniArgs } from './cni-args.ts';
import { decodeNetConf, IDENTIFIER, MAX_DETAILS, type NetConf, requireBase } from './config.ts';
import { ifnameDefect } from './ifname.ts';
import { parseInput } from './input.ts';
import type { Version } from './version.ts';

/** What the runtime asks. `version` is the configuration's, and so the result's. */
export type CniRequest =
  | { readonly command: 'VERSION' }
  | { readonly command: 'STATUS' | 'GC'; readonly version: Version }
  | {
      readonly command: 'ADD' | 'CHECK';
      readonly version: Version;
      readonly key: AttachmentKey;
      readonly netns: string;
      readonly conf: NetConf;
      /** Null where the runtime does not say. */
      readonly podNamespace: string | null;
    }
  | {
      readonly command: 'DEL';
      readonly key: AttachmentKey;
      /** Null when the runtime knows of none any more. */
      readonly netns: string | null;
    };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Required variables in the order in which the library reports them (libcni skel). */
const VARIABLES = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] as const;
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  ADD: VARIABLES,
  CHECK: VARIABLES,
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'], // CNI SPEC §2; the library demands CNI_PATH as well, but nothing is delegated
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
};

/**
 * Reads a call of the plugin. Pure. Errors of the protocol itself have the words of the reference library, since runtimes
 * and admins know those; `details` says what to do.
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
    readLeniently(readStdin);
    return { command, key, netns: netns === '' ? null : netns };
  }

  const conf = parseInput(readStdin());
  const version = requireBase(conf, command);
  switch (command) {
    case 'ADD':
    case 'CHECK': {
      const { podNamespace, mac } = parseCniArgs(env['CNI_ARGS'] ?? '');
      const decoded = decodeNetConf(conf);
      // CNI CONVENTIONS: what configuration says of the MAC goes before CNI_ARGS.
      return { command, version, key, netns, conf: { ...decoded, mac: decoded.mac ?? mac }, podNamespace };
    }
    default:
      decodeAttachments(conf, '$');
      return { command: command as 'STATUS' | 'GC', version };
  }
}

/**
 * DEL needs nothing of the configuration, and no bad one may keep a pod from being deleted: ADD rejects it, and the runtime then calls DEL
 * with the same. It is read only so that the caller can write it, and for the version of an error.
 */
function readLeniently(readStdin: () => Buffer): void {
  try {
    readStdin();
  } catch {
    // the error then has the default version
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

/** Not for DEL: ADD rejects a bad name, and the library checks an interface's name before it calls ADD, but not before DEL. */
function requireNames(required: readonly string[], env: Environment): void {
  const { CNI_CONTAINERID: containerId = '', CNI_IFNAME: ifname = '' } = env;
  if (required.includes('CNI_CONTAINERID') && containerId !== '' && !IDENTIFIER.test(containerId)) {
    throw invalid('invalid characters in containerID', containerId.slice(0, MAX_DETAILS));
  }
  const defect = ifname === '' || !required.includes('CNI_IFNAME') ? undefined : ifnameDefect(ifname);
  if (defect !== undefined) throw invalid(defect, `CNI_IFNAME is ${show(ifname)}`);
}

/** What GC is to keep. Nothing of ours outlives a netns, so that it is only checked. */
const decodeAttachments = fields({
  'cni.dev/valid-attachments': optional(array(fields({ containerID: string, ifname: string })), null),
});
