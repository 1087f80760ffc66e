# Process 1 of a node for containerd, in mount, pid and network namespaces of its own. What containerd, libcni and the plugins write at
# fixed places (/run/containerd, /run/netns, /var/lib/cni, /etc/cni, …) is written to memory, and gone with the last process.
#
# stdout: this process's pid outside. stdin: a line starts containerd; its end, when whoever started us is gone, stops everything.
set -e
exec 3<&0
read -r pid _ </proc/self/stat # still the outer /proc
umount -R -l /run/netns 2>/dev/null || true # or the netns of others would be kept
for place in /run /opt /tmp /var/lib; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
mount --make-rshared / # as systemd has it, so that a container can see mounts that come later
mkdir -p /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
mount -t proc proc /proc
echo "$pid"

read -r _
# As its DaemonSet would; its log is not containerd's.
if [ -e /opt/tapwire/index.js ]; then
  env -i /opt/tapwire/node /opt/tapwire/index.js 3<&- 2>/run/tapwire.log &
fi
containerd --config /etc/containerd/tapwire.toml 3<&- &
containerd=$!
(cat <&3 >/dev/null && kill -KILL "$containerd") &
wait "$containerd"
