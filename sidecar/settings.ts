export interface Settings {
  readonly hookDirectory: string;
  /** First part of the socket's name. */
  readonly container: string;
  /** Registered names whose interfaces are ours. */
  readonly bindings: readonly string[];
}

const HOOK_DIRECTORY = '/var/run/kubevirt-hooks';

/**
 * The names that our manifests register. KubeVirt before 1.9 does not tell a sidecar which one it was started for, so there it
 * serves both; where a pod then has two of us, the second finds the first's work and changes nothing.
 */
const REGISTERED_BINDINGS = ['tapwire', 'tapwire-mq'];

/** Reads the environment. Pure; an empty variable counts as not set. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const binding = env['NETWORK_BINDING_PLUGIN_NAME'];
  return {
    hookDirectory: env['TAPWIRE_HOOK_DIR'] || HOOK_DIRECTORY,
    // KubeVirt's container names are DNS labels; whatever else this is must not lead out of the directory.
    container: (env['CONTAINER_NAME'] || 'tapwire').replace(/[^A-Za-z0-9-]/g, '-').slice(0, 63),
    bindings: binding ? [binding] : REGISTERED_BINDINGS,
  };
}
