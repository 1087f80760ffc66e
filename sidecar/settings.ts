import { BINDING_NAMES, BINDINGS, type Binding, REGISTERED_AS } from '../shared/bindings.ts';
import { type Decoder, mismatch, oneOf } from '../shared/decode.ts';
import { BindingError } from '../shared/errors.ts';
import type { PasstBackend } from './pod/observe.ts';

export interface Settings {
  /** Where virt-launcher looks for hooks; not used with a plugin's socket. */
  readonly hookDirectory: string;
  /** First part of the socket's name there. */
  readonly container: string;
  /** Path that a Plugin CR names in its `domainHooks`; null: we are no plugin. */
  readonly pluginSocket: string | null;
  /** Registered names whose interfaces are ours. */
  readonly bindings: readonly string[];
  /** What they all are; null: links and names say it. */
  readonly kind: Binding | null;
  readonly passtBackend: PasstBackend;
}

const HOOK_DIRECTORY = '/var/run/kubevirt-hooks';

/**
 * Reads the environment. Pure; an empty variable counts as not set.
 *
 * @throws {BindingError} INVALID_CONFIG naming the variable
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const choose = <T, F>(variable: string, decode: Decoder<T>, fallback: F): T | F =>
    env[variable] ? decode(env[variable], variable) : fallback;

  const kind = choose('TAPWIRE_BINDING', oneOf(...BINDING_NAMES), null);
  const told = env['NETWORK_BINDING_PLUGIN_NAME'];
  const also = choose('TAPWIRE_BINDING_NAMES', names, []);
  return {
    hookDirectory: env['TAPWIRE_HOOK_DIR'] || HOOK_DIRECTORY,
    // KubeVirt's container names are DNS labels; whatever else this is must not lead out of the directory.
    container: (env['CONTAINER_NAME'] || 'tapwire').replace(/[^A-Za-z0-9-]/g, '-').slice(0, 63),
    pluginSocket: choose('TAPWIRE_PLUGIN_SOCKET', absolutePath, null),
    bindings: told ? [told] : [...new Set([...registeredAs(kind), ...also])],
    kind,
    passtBackend: choose('TAPWIRE_PASST_BACKEND', oneOf('vhost-user', 'user'), 'vhost-user'),
  };
}

/**
 * The names that our manifests register. KubeVirt before 1.9 does not tell a sidecar for which one it was started, so there it
 * serves all. If a pod then has two of our sidecars, the second finds the first's work and changes nothing.
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
  throw new BindingError('INVALID_CONFIG', `Cannot read ${path}: an empty name in ${JSON.stringify(value)}`);
};
