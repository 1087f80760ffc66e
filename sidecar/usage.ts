/** Text of `--help`, for a person who runs the sidecar by hand. */
const USAGE = `Usage: tapwire-sidecar [--help | --version]

Serves virt-launcher's hooks: adds the interfaces of Tapwire's bindings to the VM's domain.
KubeVirt runs it in the VM's pod.

  --help      print this help
  --version   print the version

Environment, set by KubeVirt:
  CONTAINER_NAME               first part of the socket's name (default: tapwire)
  NETWORK_BINDING_PLUGIN_NAME  binding to serve (KubeVirt >= 1.9); if unset, see docs/bindings.md

Environment, set by the administrator (docs/bindings.md explains all but TAPWIRE_HOOK_DIR):
  TAPWIRE_BINDING        kind of all served bindings: tap, macvtap, passt or slirp (default: by link and name)
  TAPWIRE_BINDING_NAMES  additional bindings, separated by commas; ignored with NETWORK_BINDING_PLUGIN_NAME
  TAPWIRE_PASST_BACKEND  how passt connects to QEMU: vhost-user (default) or user
  TAPWIRE_PLUGIN_SOCKET  path of the socket that a Plugin resource names; replaces the hook socket
  TAPWIRE_HOOK_DIR       hook directory (default: /var/run/kubevirt-hooks)

Exit status: 0 success, 1 failure.
`;

/**
 * Returns the text to print for these arguments; null to serve hooks. Ignores all other arguments,
 * because administrators often pass hook sidecars arguments such as `--version v1alpha3`, which
 * names a version of the hooks API.
 */
export function printedFor(args: readonly string[], version: string): string | null {
  const [first, ...more] = args;
  if (more.length > 0) return null;
  if (first === '--help' || first === '-h') return USAGE;
  return first === '--version' ? `${version}\n` : null;
}
