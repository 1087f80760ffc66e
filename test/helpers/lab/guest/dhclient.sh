#!/bin/sh
# What dhclient calls with what the DHCPv6 server said.
[ "$reason" = BOUND6 ] || exit 0
ip -6 addr add "$new_ip6_address/128" dev "$interface"
echo "@lease6 address=$new_ip6_address dns=$new_dhcp6_name_servers search=$(echo $new_dhcp6_domain_search | tr ' ' ,)" > /dev/ttyS0
