#!/bin/sh
# Prepares a Debian machine for the demo, the tests or the benchmark. Installs missing Debian and
# npm packages, builds Tapwire, and prepares the VM's guest. Removes no packages.
#
# Usage: setup.sh demo|test|bench
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "Cannot set up Tapwire: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "network namespaces, taps and packages need root; run this as root"
command -v apt-get >/dev/null || fail "apt-get is missing; use Debian"
[ "$1" = bench ] || [ "$(dpkg --print-architecture)" = amd64 ] || fail "the VM of the demo and the tests runs only on x86-64"

# The VM's user must be able to read the files built here, even if root keeps files private.
umask 022

# The C compiler, and tools to inspect the kernel.
packages="gcc libc6-dev iproute2 tcpdump"
# For the VM: libvirt, QEMU, the guest's initramfs, DHCP and router advertisements, domain checks.
packages="$packages libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86"
packages="$packages busybox-static cpio dnsmasq-base libxml2-utils"
if [ "$1" = test ]; then
  # The program behind the passt binding.
  packages="$packages passt"
  # The plugin's real callers and the other plugins of a chain, unless other packages (such as
  # containerd.io of docker.com) provide them; strace, which kills the plugin between two requests.
  packages="$packages containernetworking-plugins strace"
  # Reads the manifests as administrators do, unless another package provides it.
  command -v kubectl >/dev/null || packages="$packages kubernetes-client"
  # Runs the agent's unit file, in namespaces of its own.
  packages="$packages systemd"
  # Rules in and around a pod, which may affect a guest.
  packages="$packages nftables"
  # Builds the image from daemonset/Containerfile, as administrators may do.
  packages="$packages buildah"
  # Compiler and emulator for the shim of the other architecture.
  packages="$packages gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross qemu-user-static"
  command -v containerd >/dev/null || packages="$packages containerd"
  command -v kubectl >/dev/null || packages="$packages kubernetes-client"
  command -v runc >/dev/null || packages="$packages runc"
fi
if [ "$1" = bench ]; then
  # The plugins that Tapwire is compared with. No VM.
  packages="gcc libc6-dev iproute2 containernetworking-plugins"
fi

missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done

# Keeps the packages from starting services: the demo and the tests start what they need themselves.
NO_SERVICES=/usr/sbin/policy-rc.d
install_missing() {
  if [ ! -e "$NO_SERVICES" ]; then
    trap 'rm -f "$NO_SERVICES"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$NO_SERVICES"
    chmod 755 "$NO_SERVICES"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || fail "apt-get update failed"
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends --no-remove $missing >/dev/null ||
    fail "apt-get cannot install these packages without removing others:$missing"
}
if [ -n "$missing" ]; then
  echo "Installing Debian packages:$missing"
  (install_missing) || exit 1
fi

# This copy of the lockfile shows from which lockfile node_modules was installed.
if ! cmp -s package-lock.json node_modules/.tapwire-lock; then
  echo "Installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error || fail "npm ci failed"
  cp package-lock.json node_modules/.tapwire-lock
fi
export PATH="$PWD/node_modules/.bin:$PATH"
npm run --silent build
[ "$1" != test ] || npm run --silent image >/dev/null
[ "$1" = bench ] || node scripts/guest.ts
