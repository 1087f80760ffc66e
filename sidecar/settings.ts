import { BINDING_NAMES, BINDINGS, type Binding, REGISTERED_AS } from '../shared/bindings.ts';
import { type Decoder, mismatch, oneOf } from '../shared/decode.ts';
import { BindingError } from '../shared/errors.ts';
import type { PasstBackend } from './pod/observe.ts';

export interface Settings {
  /** Directory in which virt-launcher looks for hook sockets; unused with a Plugin's socket. */
  readonly hookDirectory: string;
  /** First part of the name of the socket in that directory. */
  readonly container: string;
  /**
   * Path of the socket that a Plugin resource (KubeVirt 1.9) names in its `domainHooks`; null to
   * serve hooks.
   */
  readonly domainHookSocket: string | null;
  /** Registered names of the bindings that the sidecar serves. */
  readonly bindings: readonly string[];
  /**
   * Kind of all these bindings; null to find each interface's kind from the pod's links and the
   * binding's name.
   */
  readonly kind: Binding | null;
  /**
   * Null if not set, and another sidecar of the pod may be the one for passt: then its choice in
   * the domain stays, and the default is vhost-user.
   */
  readonly passtBackend: PasstBackend | null;
}

const HOOK_DIRECTORY = '/var/run/kubevirt-hooks';

/**
 * Reads the settings from environment variables. An empty variable counts as unset. Pure.
 *
 * @throws {BindingError} INVALID_CONFIG; the message names the variable
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const choose = <T, F>(variable: string, decode: Decoder<T>, fallback: F): T | F =>
    env[variable] ? decode(env[variable], variable) : fallback;

  const kind = choose('TAPWIRE_BINDING', oneOf(...BINDING_NAMES), null);
  const ownBinding = env['NETWORK_BINDING_PLUGIN_NAME'];
  const additional = choose('TAPWIRE_BINDING_NAMES', names, []);
  return {
    hookDirectory: env['TAPWIRE_HOOK_DIR'] || HOOK_DIRECTORY,
    // KubeVirt's container names are DNS labels. Any other value must not lead out of the
    // directory.
    container: (env['CONTAINER_NAME'] || 'tapwire').replace(/[^A-Za-z0-9-]/g, '-').slice(0, 63),
    domainHookSocket: choose('TAPWIRE_PLUGIN_SOCKET', absolutePath, null),
    bindings: ownBinding ? [ownBinding] : [...new Set([...registeredAs(kind), ...additional])],
    kind,
    passtBackend: choose(
      'TAPWIRE_PASST_BACKEND',
      oneOf('vhost-user', 'user'),
      ownBinding || kind !== null ? 'vhost-user' : null,
    ),
  };
}

/**
 * Returns the names under which the manifests register a binding, or all bindings if null. Before
 * KubeVirt 1.9, a sidecar does not learn which name it was started for, so it serves all of them.
 * If a pod has two sidecars, the second finds the work of the first and changes nothing.
 */
function registeredAs(binding: Binding | null): readonly string[] {
  return Object.values(binding === null ? REGISTERED_AS : BINDINGS[binding].registeredAs);
}

const absolutePath: Decoder<string> = (value, path) => {
  if (/^(?:\/[\w.-]+)+$/.test(String(value))) return String(value);
  throw mismatch(path, 'a path such as "/var/run/kubevirt-plugin/tapwire/domain.sock"', value);
};

const names: Decoder<readonly string[]> = (value, path) => {
  const list = String(value)
    .split(',')
    .map((name) => name.trim());
  if (!list.includes('')) return list;
  throw new BindingError(
    'INVALID_CONFIG',
    `Cannot read ${path}: want names separated by commas, got ${JSON.stringify(value)}`,
  );
};
