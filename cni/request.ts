import { parseJson } from '../shared/decode.ts';
import { BindingError } from '../shared/errors.ts';
import { decodeNetConf, type NetConf } from './config.ts';
import { ifnameDefect } from './ifname.ts';

/** Names one attachment of one container: a runtime never has two with the same pair (CNI SPEC §2). */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}

/** What the runtime asks. `version` is the configuration's, and so the result's. */
export type CniRequest =
  | { readonly command: 'VERSION' }
  | { readonly command: 'STATUS' | 'GC'; readonly version: string }
  | {
      readonly command: 'ADD' | 'CHECK';
      readonly version: string;
      readonly key: AttachmentKey;
      readonly netns: string;
      readonly conf: NetConf;
    }
  | {
      readonly command: 'DEL';
      readonly version: string;
      readonly key: AttachmentKey;
      /** Null when the runtime knows of none any more. */
      readonly netns: string | null;
    };

export type Environment = Readonly<Record<string, string | undefined>>;

/** 0.1.0 and 0.2.0 results must have an IP address, which a layer 2 binding has not. */
export const SUPPORTED_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

/** Since which version a command exists. */
const SINCE: Readonly<Record<string, string>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };

/** Required variables in the order in which the library reports them (libcni skel). */
const VARIABLES = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] as const;
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  ADD: VARIABLES,
  CHECK: VARIABLES,
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
};

/** CNI SPEC §2: alphanumeric first, then also "_", "." and "-". */
const IDENTIFIER = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * Reads a call of the plugin. Pure. Errors of the protocol itself have the words of the reference library, since runtimes
 * and admins know those; `details` says what to do.
 *
 * @throws {BindingError} INVALID_ENVIRONMENT, INVALID_JSON, INCOMPATIBLE_VERSION, INVALID_CONFIG
 * Source: CNI SPEC §2, libcni pkg/skel
 */
export function parseRequest(env: Environment, readStdin: () => string): CniRequest {
  const command = env['CNI_COMMAND'] ?? '';
  checkEnvironment(command, env);
  if (command === 'VERSION') return { command };

  const conf = parseJson(readStdin(), 'network configuration');
  const version = checkBase(conf, command);
  const key = { containerId: env['CNI_CONTAINERID'] ?? '', ifname: env['CNI_IFNAME'] ?? '' };
  const netns = env['CNI_NETNS'] ?? '';
  switch (command) {
    case 'ADD':
    case 'CHECK':
      return { command, version, key, netns, conf: decodeNetConf(conf) };
    case 'DEL':
      // The rest of the configuration is not read: an edited NAD must not keep a pod from being deleted.
      return { command, version, key, netns: netns === '' ? null : netns };
    default:
      return { command: command as 'STATUS' | 'GC', version };
  }
}

function checkEnvironment(command: string, env: Environment): void {
  const invalid = (message: string, details?: string) =>
    new BindingError('INVALID_ENVIRONMENT', message, details === undefined ? {} : { details });
  if (command === '') throw invalid('required env variables [CNI_COMMAND] missing');
  const required = Object.hasOwn(REQUIRED, command) ? REQUIRED[command] : undefined;
  if (required === undefined) throw invalid(`unknown CNI_COMMAND: ${command}`);

  const { CNI_CONTAINERID: containerId = '', CNI_IFNAME: ifname = '' } = env;
  if (required.includes('CNI_CONTAINERID') && containerId !== '' && !IDENTIFIER.test(containerId)) {
    throw invalid('invalid characters in containerID', containerId);
  }
  const defect = ifname === '' || !required.includes('CNI_IFNAME') ? undefined : ifnameDefect(ifname);
  if (defect !== undefined) throw invalid(defect, `CNI_IFNAME is ${JSON.stringify(ifname)}`);

  const missing = required.filter((name) => (env[name] ?? '') === '');
  if (missing.length > 0) throw invalid(`required env variables [${missing.join(',')}] missing`);
}

/** Checks what every command needs of the configuration, and returns its version. */
function checkBase(conf: unknown, command: string): string {
  const source = typeof conf === 'object' && conf !== null ? (conf as Record<string, unknown>) : {};
  const name = Object.hasOwn(source, 'name') ? source['name'] : undefined;
  if (typeof name !== 'string' || name === '')
    throw new BindingError('INVALID_CONFIG', 'missing network name');
  if (!IDENTIFIER.test(name)) {
    throw new BindingError('INVALID_CONFIG', 'invalid characters found in network name', { details: name });
  }
  const version = Object.hasOwn(source, 'cniVersion') ? source['cniVersion'] : undefined;
  const known = SUPPORTED_VERSIONS.find((supported) => supported === version);
  if (known === undefined) {
    throw new BindingError('INCOMPATIBLE_VERSION', 'incompatible CNI versions', {
      details: `config is ${JSON.stringify(version ?? '0.1.0')}, plugin supports ${JSON.stringify(SUPPORTED_VERSIONS)}`,
    });
  }
  const since = SINCE[command];
  if (since !== undefined && known < since) {
    throw new BindingError('INCOMPATIBLE_VERSION', `config version does not allow ${command}`, {
      details: `${command} is there since ${since}, the configuration says ${known}`,
    });
  }
  return known;
}
