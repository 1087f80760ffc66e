#!/bin/sh
# `npm run demo`. Handles --help first, which needs no set-up.
set -eu
cd "$(dirname "$0")/.."

for option in "$@"; do
  [ "$option" = --help ] || continue
  cat <<'EOF'
Usage: npm run demo [-- option]

Boots a VM with libvirt and QEMU on a tap created by Tapwire, in new network namespaces, and shows each step.
Needs root and Debian. Installs missing Debian packages, and npm packages, a build and a guest kernel in this checkout
(node_modules/, dist/, .cache/). Leaves nothing else behind, also if you stop it with Ctrl-C at any moment.

  --keep           keep the VM and the network running, and print commands to inspect them
  --console ID     connect to the console of a kept VM; Ctrl-] leaves it
  --down ID        delete a kept VM and its network; without ID, list those that are running
  --help           print this help
EOF
  exit
done

exec sh scripts/setup.sh demo node demo/main.ts "$@"
