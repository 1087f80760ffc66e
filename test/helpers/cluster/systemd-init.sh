# Makes a node of these namespaces (mount, pid, network, cgroup, UTS, IPC), and becomes its systemd. Everything that systemd or an
# administrator writes is in memory. No unit of this machine is visible, so none can run: some would delete /tmp or set kernel settings.
#
# stdout: this process's pid outside.
set -e
read -r pid _ </proc/self/stat # still the outer /proc
mount --make-rprivate /
umount -R -l /run/netns 2>/dev/null || true # or the netns of others would be kept
for place in /run /opt /tmp /var /root /etc/systemd /usr/lib/systemd/system /usr/lib/systemd/system-generators; do
  mount -t tmpfs -o mode=755 tmpfs "$place"
done
mkdir /etc/systemd/system /var/tmp /var/log
for target in sysinit basic multi-user shutdown; do
  printf '[Unit]\nDefaultDependencies=no\n' >"/usr/lib/systemd/system/$target.target"
done

mkdir /run/dev
mount -t tmpfs -o mode=755 tmpfs /run/dev
mkdir /run/dev/net
for device in null zero full random urandom tty net/tun; do cp -a "/dev/$device" "/run/dev/$device"; done
mount --move /run/dev /dev

mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
umount -R -l /sys
mount -t sysfs -o ro sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o remount,bind,ro /
mount --make-rshared / # as systemd does where it is not in a container
ip link set lo up
echo "$pid"
exec env -i container=other /usr/lib/systemd/systemd --system --log-target=console --log-level=warning --show-status=no \
  --unit=multi-user.target >/dev/null
