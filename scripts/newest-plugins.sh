#!/bin/sh
# Unpacks the newest CNI plugins that Debian has now into .cache/go-plugins, for the benchmark: those
# of Debian 12 have no `tap`. Nothing is installed, and apt's own lists stay as they are.
#
# Usage: newest-plugins.sh
set -eu
cd "$(dirname "$0")/.."
PACKAGE=containernetworking-plugins
FOLDER=.cache/go-plugins

work=$(mktemp -d) # The set-up deletes it if this is killed.
trap 'rm -rf "$work"' EXIT

# The machine's own mirror of Debian, in the suite that all new versions enter first.
mirror=$(apt-get indextargets --format '$(REPO_URI)|$(ORIGIN)|$(LABEL)' 'Created-By: Packages' |
  sed -n 's/|Debian|Debian$//p' | head -n 1)
[ -n "$mirror" ]
mkdir -p "$work/lists/partial" "$work/unpacked"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Timeout "10";
APT::Sandbox::User "root";
END
export APT_CONFIG="$work/apt.conf"
apt-get -qq update
(cd "$work" && apt-get -qq download "$PACKAGE" >/dev/null)
dpkg-deb -x "$work/$PACKAGE"_*.deb "$work/unpacked"
dpkg-deb -f "$work/$PACKAGE"_*.deb Version >"$work/unpacked/version"
# They may need a newer C library than this machine's.
CNI_COMMAND=VERSION "$work/unpacked/usr/lib/cni/tap" </dev/null >/dev/null
rm -rf "$FOLDER"
mv "$work/unpacked" "$FOLDER"
