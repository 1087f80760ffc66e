#!/bin/sh
# `npm run demo`: help is for whom nothing is set up yet.
set -eu
cd "$(dirname "$0")/.."

for option in "$@"; do
  [ "$option" = --help ] || continue
  cat <<'EOF'
Usage: npm run demo [-- option]

Boots a VM with libvirt and QEMU on a tap made by Tapwire, in network namespaces of its own, and shows what happens.
Needs root and Debian; nothing of it stays, Debian packages and this checkout's node_modules/, dist/ and .cache/ apart.

  --keep           leave the VM and the network up, and print how to look around
  --console <id>   get onto the console of a VM that was kept; Ctrl-] leaves it
  --down <id>      take down what was kept
  --help           print this
EOF
  exit
done

sh scripts/setup.sh demo
exec node demo/main.ts "$@"
