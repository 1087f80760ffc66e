#!/bin/sh
# Prepares a Debian machine for the demo, the tests or the benchmark, and runs the program that
# follows. Installs missing Debian and npm packages, builds Tapwire, and prepares the VM's guest.
# Removes no packages. A step that is up to date is skipped.
#
# It may be stopped at any moment and any number of times. Each step and the program run in a session
# of its own, which no signal of the terminal reaches. On a signal, the program is asked to end, and
# cleans up. A step is killed, and the next run makes it again: its result is put into place at its
# end. Only apt-get is neither killed nor asked: the set-up ends when it does.
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
kind=""      # step, apt or program
child=""     # its pid, which is also that of its process group

# Goes on if the terminal is closed and a line cannot be printed.
on_signal() {
  [ -z "$signal" ] || return 0
  signal=$1
  case $kind in
  apt) echo "Stopped by SIG$signal: waiting for apt-get, which must not be stopped half way" >&2 || : ;;
  program) ;; # It says so itself.
  *) echo "Stopped by SIG$signal: the next run repeats what is unfinished" >&2 || : ;;
  esac
  stop_child
}
stop_child() {
  case $kind in
  step) kill -s KILL -- "-$child" "$child" ;;
  program) kill -s "$signal" "$child" ;;
  esac 2>/dev/null || :
}
for name in INT TERM HUP QUIT; do
  # shellcheck disable=SC2064 # the name of now
  trap "on_signal $name" "$name"
done
trap : PIPE # Writing fails instead, and the set-up ends as after any failure.

# Another set-up of this checkout would build the same files at the same time. All steps inherit the
# lock, so that it is held until a killed one has ended.
exec 8<.
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

# A shell gives /dev/null to a program in the background, unless told otherwise.
[ -e /proc/self/fd/0 ] || exec </dev/null
exec 7<&0

# Runs a step, apt-get or the program, and returns its exit status.
run() {
  end_if_stopped
  kind=$1
  shift
  case $kind in
  program) setsid "$@" <&7 7<&- 8<&- & ;;
  apt) setsid "$@" 7<&- 8<&- & ;;
  step) setsid "$@" 7<&- & ;;
  esac
  child=$!
  [ -z "$signal" ] || stop_child # by a signal that came before the pid was known
  status=0
  # A signal ends only the waiting.
  while wait "$child" && status=0 || status=$?; kill -0 "$child" 2>/dev/null; do
    # The program may not have been ready for the first signal. It ignores a second one.
    [ "$kind" != program ] || [ -z "$signal" ] || { stop_child; sleep 0.2; }
  done
  # The children of a killed step may need a moment more.
  for _ in 1 2 3 4 5 6 7 8 9; do
    [ -n "$signal" ] && kill -s 0 -- "-$child" 2>/dev/null || break
    sleep 0.1
  done
  kind=""
  child=""
  end_if_stopped
  return "$status"
}
run_step() {
  mkdir -p "$scratch"
  run step env TMPDIR="$scratch" "$@"
}

if ! flock -n 8; then
  echo "Waiting for another set-up of this checkout"
  run step flock 8
fi

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
  # Runs the agent's unit file, in namespaces of its own.
  packages="$packages systemd"
  # Rules in and around a pod, which may affect a guest.
  packages="$packages nftables"
  # Builds the image from daemonset/Containerfile, as administrators may do.
  packages="$packages buildah"
  # Compiler and emulator for the shim of the other architecture.
  packages="$packages gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross qemu-user-static"
  command -v containerd >/dev/null || packages="$packages containerd"
  # kubectl reads the manifests and starts Jobs, as administrators do.
  command -v kubectl >/dev/null || packages="$packages kubernetes-client"
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
  run apt apt-get update -qq || fail "apt-get update failed"
  # shellcheck disable=SC2086 # a list of words
  run apt sh scripts/packages.sh $missing ||
    fail "apt-get cannot install these packages without removing others:$missing"
elif grep -qs 'set-up of Tapwire' /usr/sbin/policy-rc.d; then
  run apt sh scripts/packages.sh # an earlier one was killed
fi

# This copy of the lockfile shows from which lockfile node_modules was installed.
if ! cmp -s package-lock.json node_modules/.tapwire-lock; then
  echo "Installing npm packages"
  rm -f node_modules/.tapwire-lock
  run_step npm ci --no-audit --no-fund --loglevel=error || fail "npm ci failed"
  cp package-lock.json node_modules/.tapwire-lock
fi
export PATH="$PWD/node_modules/.bin:$PATH"
run_step node scripts/build.ts --quiet
[ "$purpose" != test ] || run_step node scripts/image.ts --quiet
if [ "$purpose" = bench ] && [ ! -e /usr/lib/cni/tap ] && [ ! -e .cache/go-plugins ]; then
  run_step sh scripts/newest-plugins.sh ||
    echo "Cannot download Debian's newest CNI plugins: Go's \"tap\" is not measured" >&2
fi
if [ "$purpose" != bench ]; then
  [ -e .cache/debs ] || run apt node scripts/guest.ts --download
  run_step node scripts/guest.ts
fi
[ "$purpose" != test ] || run apt node scripts/clients.ts
rm -rf "$scratch"
flock -u 8
[ $# = 0 ] || run program "$@"
