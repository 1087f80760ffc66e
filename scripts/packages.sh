#!/bin/sh
# Installs Debian packages and keeps them from starting services, because the demo and the tests
# start what they need themselves. Without arguments, it only removes what an earlier call left.
#
# setup.sh runs it in a session of its own. No signal ends it, because dpkg must not be stopped half
# way.
#
# Usage: packages.sh [PACKAGE ...]
set -eu

NO_SERVICES=/usr/sbin/policy-rc.d
MARK='# Written by set-up of Tapwire'

trap : INT TERM HUP QUIT PIPE
# Another set-up on this machine may write the same file. The lock is on a directory that every
# Debian machine has.
exec 9</var/lib/dpkg
flock 9

# Leaves the administrator's own file alone.
if [ ! -e "$NO_SERVICES" ] || grep -qxF "$MARK" "$NO_SERVICES"; then
  trap 'rm -f "$NO_SERVICES"' EXIT
  [ $# = 0 ] || printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" >"$NO_SERVICES"
  [ $# = 0 ] || chmod 755 "$NO_SERVICES"
fi
[ $# = 0 ] && exit
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends --no-remove -o Dpkg::Options::=--force-confold "$@" \
  </dev/null >/dev/null 9<&-
