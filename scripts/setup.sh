#!/bin/sh
# Prepares a Debian machine for the demo, the tests or the benchmark, and becomes the program that
# follows. Installs missing Debian and npm packages, builds Tapwire, and prepares the VM's guest.
# Removes no packages. A step that is up to date is skipped.
#
# It may be stopped at any moment. Each step runs in a session of its own, which no signal of the
# terminal reaches, and puts its result into place at the end. So a step can be killed and made again
# by the next run. Only apt-get is never killed: the set-up then ends when apt-get does.
#
# Usage: setup.sh demo|test|bench [PROGRAM [ARGUMENT ...]]
set -eu
cd "$(dirname "$0")/.."
purpose=$1
shift

fail() {
  echo "Cannot set up Tapwire: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "network namespaces, taps and packages need root; run this as root"
command -v apt-get >/dev/null || fail "apt-get is missing; use Debian"
[ "$purpose" = bench ] || [ "$(dpkg --print-architecture)" = amd64 ] || fail "the VM of the demo and the tests runs only on x86-64"

signal=""    # the first signal that asked the set-up to end
step=""      # pid of the running step, and of its process group
is_apt=""    # not empty if the step is apt-get

stop_step() {
  [ -z "$step" ] || [ -n "$is_apt" ] || kill -KILL -- "-$step" "$step" 2>/dev/null || :
}

# Prints lines even if the terminal is closed.
on_signal() {
  [ -z "$signal" ] || return 0
  signal=$1
  if [ -n "$is_apt" ]; then
    echo "Stopped by SIG$signal: waiting for apt-get, which must not be stopped half way" >&2 || :
  else
    echo "Stopped by SIG$signal: the next set-up repeats what is unfinished" >&2 || :
  fi
  stop_step
}
for name in INT TERM HUP QUIT; do
  # shellcheck disable=SC2064 # the name of now
  trap "on_signal $name" "$name"
done
trap : PIPE # Writing fails instead, and the set-up ends as after any failure.

# Temporary files of the steps, such as those of a killed compiler.
mkdir -p .cache
for old in .cache/set-up-*; do
  [ -e "/proc/${old##*-}" ] || rm -rf "$old"
done
scratch=$PWD/.cache/set-up-$$
trap 'rm -rf "$scratch"' EXIT

# Ends like a program that the signal has killed.
end_if_stopped() {
  [ -n "$signal" ] || return 0
  rm -rf "$scratch"
  trap - "$signal"
  kill -s "$signal" $$
}

# Runs a step, and returns its exit status.
run() {
  end_if_stopped
  mkdir -p "$scratch"
  TMPDIR=$scratch setsid "$@" </dev/null &
  wait_for_step
}
run_apt() {
  end_if_stopped
  is_apt=yes
  setsid "$@" </dev/null &
  wait_for_step
}
wait_for_step() {
  step=$!
  [ -z "$signal" ] || stop_step # by a signal that came before the pid was known
  status=0
  # A signal ends only the waiting.
  while wait "$step" && status=0 || status=$?; kill -0 "$step" 2>/dev/null; do :; done
  # Its children may need a moment more to end.
  for _ in 1 2 3 4 5 6 7 8 9; do
    [ -n "$signal" ] && kill -0 -- "-$step" 2>/dev/null || break
    sleep 0.1
  done
  step=""
  is_apt=""
  end_if_stopped
  return "$status"
}

# The VM's user must be able to read the files built here, even if root keeps files private.
umask 022

# The C compiler, and tools to inspect the kernel.
packages="gcc libc6-dev iproute2 tcpdump"
# For the VM: libvirt, QEMU, the guest's initramfs, DHCP and router advertisements, domain checks.
packages="$packages libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86"
packages="$packages busybox-static cpio dnsmasq-base libxml2-utils"
if [ "$purpose" = test ]; then
  # The program behind the passt binding.
  packages="$packages passt"
  # The plugin's real callers and the other plugins of a chain, unless other packages (such as
  # containerd.io of docker.com) provide them; strace, which kills the plugin between two requests.
  packages="$packages containernetworking-plugins strace"
  # Rules in and around a pod, which may affect a guest.
  packages="$packages nftables"
  # Builds the image from daemonset/Containerfile, as administrators may do.
  packages="$packages buildah"
  # Compiler and emulator for the shim of the other architecture.
  packages="$packages gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross qemu-user-static"
  command -v containerd >/dev/null || packages="$packages containerd"
  command -v runc >/dev/null || packages="$packages runc"
fi
if [ "$purpose" = bench ]; then
  # The plugins that Tapwire is compared with. No VM.
  packages="gcc libc6-dev iproute2 containernetworking-plugins"
fi

# shellcheck disable=SC2086 # a list of words
installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $packages 2>/dev/null || :)
missing=""
for package in $packages; do
  echo "$installed" | grep -qx "$package installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "Installing Debian packages:$missing"
  run_apt apt-get update -qq || fail "apt-get update failed"
  # shellcheck disable=SC2086 # a list of words
  run_apt sh scripts/packages.sh $missing ||
    fail "apt-get cannot install these packages without removing others:$missing"
elif grep -qs 'set-up of Tapwire' /usr/sbin/policy-rc.d; then
  run_apt sh scripts/packages.sh # an earlier one was killed
fi

# This copy of the lockfile shows from which lockfile node_modules was installed.
if ! cmp -s package-lock.json node_modules/.tapwire-lock; then
  echo "Installing npm packages"
  rm -f node_modules/.tapwire-lock
  run npm ci --no-audit --no-fund --loglevel=error || fail "npm ci failed"
  cp package-lock.json node_modules/.tapwire-lock
fi
export PATH="$PWD/node_modules/.bin:$PATH"
run node scripts/build.ts --quiet
[ "$purpose" != test ] || run node scripts/image.ts --quiet
if [ "$purpose" != bench ]; then
  [ -e .cache/debs ] || run_apt node scripts/guest.ts --download
  run node scripts/guest.ts
fi
end_if_stopped
rm -rf "$scratch"
trap - EXIT
[ $# = 0 ] || exec "$@"
