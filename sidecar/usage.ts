/** What the sidecar prints for a person who runs it by hand. */
const USAGE = `Usage: tapwire-sidecar [--help | --version]

Serves virt-launcher's hooks: gives the VM's domain the interfaces of Tapwire's bindings. KubeVirt runs it in the VM's pod.

  --help      print this
  --version   print the version

Environment, set by KubeVirt:
  CONTAINER_NAME               first part of the socket's name (default tapwire)
  NETWORK_BINDING_PLUGIN_NAME  the binding to serve (KubeVirt >= 1.9; before, every registered one)

Environment, set by an administrator; docs/bindings.md explains it:
  TAPWIRE_BINDING        what every served name is: tap, passt or slirp
  TAPWIRE_BINDING_NAMES  more names to serve, separated by commas
  TAPWIRE_PASST_BACKEND  vhost-user (default) or user
  TAPWIRE_PLUGIN_SOCKET  path of the socket that a Plugin names, in place of the hook directory
  TAPWIRE_HOOK_DIR       the hook directory (default /var/run/kubevirt-hooks)

Exit status: 0 success, 1 failure.
`;

/**
 * Returns the text that those arguments ask for; null means to serve. Other arguments are ignored, as ever: hook sidecars are often
 * configured with some, such as `--version v1alpha3`, which names a version of the hooks API.
 */
export function printedFor(args: readonly string[], version: string): string | null {
  const [first, ...more] = args;
  if (more.length > 0) return null;
  if (first === '--help') return USAGE;
  return first === '--version' ? `${version}\n` : null;
}
