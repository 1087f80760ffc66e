#!/bin/sh
# What udhcpc calls with the lease of the DHCP server.
[ "$1" = bound ] || exit 0
ip addr replace "$ip/$mask" dev "$interface"
