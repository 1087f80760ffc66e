#!/bin/sh
# What udhcpc calls with what the DHCPv4 server said.
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done
echo "@lease4 address=$ip/$mask server=$serverid router=$router" > /dev/ttyS0
