#!/bin/sh
# Makes the file system of a guest: programs of this machine and those of $1, and nothing that it
# writes reaches the machine. Prints "ready", and ends at the end of stdin, with all that runs here.
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay -o "lowerdir=$1/usr:/usr" overlay /usr
mount -t overlay -o "lowerdir=$1/etc:/etc,upperdir=/mnt/upper,workdir=/mnt/work" overlay /etc
# A writable one tells programs that udev runs, and they wait for what it says of the NIC.
mount -o remount,ro,bind /sys
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t proc proc /proc
rm -f /etc/resolv.conf /etc/hostname /etc/machine-id
echo 00000000000000000000000000000010 >/etc/machine-id
: >/etc/resolv.conf
rm -rf /etc/systemd/network
mkdir -p /etc/systemd/network /run/dbus /var/lib/dhcp /var/lib/dhcpcd /var/lib/NetworkManager
grep -q ^systemd-network: /etc/passwd || echo systemd-network:x:998:998::/:/bin/false >>/etc/passwd
grep -q ^_dhcpcd: /etc/passwd || echo _dhcpcd:x:997:997::/var/lib/dhcpcd:/bin/false >>/etc/passwd
mkdir -p /run/systemd/netif/leases /run/systemd/netif/links /run/systemd/netif/lldp
chown -R systemd-network:systemd-network /run/systemd/netif
cat >/run/bus.conf <<'END'
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
END
hostname localhost
echo ready
exec cat
