#!/bin/sh
# What udhcpc calls with what the DHCPv4 server said.
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
via() { [ "$1" = 0.0.0.0 ] || echo "via $1"; }
# Routes of option 121, in pairs, replace the gateway (RFC 3442).
set -- $staticroutes
if [ $# = 0 ]; then
  for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done
fi
while [ $# -ge 2 ]; do
  ip route replace "$1" $(via "$2") dev "$interface"
  shift 2
done
listed() { echo "$*" | tr ' ' ,; }
echo "@lease4 address=$ip/$mask server=$serverid router=$router" \
  "dns=$(listed $dns) search=$(listed $search) mtu=$mtu" > /dev/ttyS0
