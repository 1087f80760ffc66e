#!/bin/sh
# Everything that the demo, the tests and the benchmark need on a fresh Debian machine: npm packages, Debian packages, the build.
# What is already there is not installed again, and nothing is removed.
#
# Usage: setup.sh demo|test|bench
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "Cannot set up Tapwire: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "network namespaces, taps and packages need root; run it as root"
command -v apt-get >/dev/null || fail "no apt-get; the demo and the tests are made for Debian"
[ "$1" = bench ] || [ "$(dpkg --print-architecture)" = amd64 ] || fail "the VM of the demo and the tests runs on x86-64 alone"

# A VM runs as another user, and must be able to read what is built here, also where root's files are private by default.
umask 022

# C compiler; what the tests look at the kernel with.
packages="gcc libc6-dev iproute2 tcpdump"
# The VM: libvirt and QEMU; the guest's initramfs; DHCP and router advertisements; what validates a domain.
packages="$packages libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86"
packages="$packages busybox-static cpio dnsmasq-base libxml2-utils"
if [ "$1" = test ]; then
  # The program behind the passt binding.
  packages="$packages passt"
  # Real callers and neighbours of the plugin, unless others provide them (docker.com's containerd.io, say); what kills it
  # between two kernel requests.
  packages="$packages containernetworking-plugins strace"
  # Rules in and around a pod, which a guest meets or not.
  packages="$packages nftables"
  # Builds the image from daemonset/Containerfile, as admins may.
  packages="$packages buildah"
  # The shim for the other processor, and what runs it here.
  packages="$packages gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross qemu-user-static"
  command -v containerd >/dev/null || packages="$packages containerd"
  command -v runc >/dev/null || packages="$packages runc"
fi
if [ "$1" = bench ]; then
  # What Tapwire is measured against; no VM.
  packages="gcc libc6-dev iproute2 containernetworking-plugins"
fi

missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done

# Nothing that is installed here starts a service: what runs, the demo and the tests start themselves.
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
    fail "apt-get could not install, without removing anything else:$missing"
}
if [ -n "$missing" ]; then
  echo "Installing Debian packages:$missing"
  (install_missing) || exit 1
fi

# The copy of the lockfile tells what node_modules was made from.
if ! cmp -s package-lock.json node_modules/.tapwire-lock; then
  echo "Installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error || fail "npm could not install the packages of package-lock.json"
  cp package-lock.json node_modules/.tapwire-lock
fi
export PATH="$PWD/node_modules/.bin:$PATH"
npm run --silent build
[ "$1" != test ] || npm run --silent image >/dev/null
[ "$1" = bench ] || node scripts/guest.ts
