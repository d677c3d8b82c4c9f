#!/bin/bash
# machine.sh DIR plain|systemd: see machine.go.
set -euo pipefail
export DIR=$1 KIND=$2

# systemd keeps its processes in control groups of their own, below new ones.
groups=()
if [ "$KIND" = systemd ]; then
	if [ -d /sys/fs/cgroup/systemd ]; then
		groups=(/sys/fs/cgroup/systemd /sys/fs/cgroup/unified)
	else
		groups=(/sys/fs/cgroup)
	fi
	for g in "${groups[@]}"; do
		mkdir "$g/restaple-test-$$"
		echo $$ >"$g/restaple-test-$$/cgroup.procs"
	done
	leave() {
		for g in "${groups[@]}"; do
			echo $$ >"$g/cgroup.procs"
			find "$g/restaple-test-$$" -depth -type d -exec rmdir {} + || true
		done
	}
	trap leave EXIT
fi
export GROUPS_AT="${groups[*]-}"

unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --net --propagation private bash -euc '
mkdir "$DIR/memory"
mount -t tmpfs tmpfs "$DIR/memory"
root=$DIR/memory/root
mkdir "$DIR"/memory/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$DIR/memory/upper,workdir=$DIR/memory/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
for d in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$d"; done
chmod 1777 "$root/tmp"
for d in null zero full random urandom tty; do touch "$root/dev/$d"; mount --bind "/dev/$d" "$root/dev/$d"; done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t mqueue mqueue "$root/dev/mqueue"
chmod 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/payload" "$root/out"
mount --bind "$DIR/payload" "$root/payload"
mount --bind "$DIR/out" "$root/out"
# An index of all pages of the manual, made anew with each package, takes longer
# than all the rest of an installation.
rm -f "$root/var/lib/man-db/auto-update"
ip link set lo up
hostname machine
if [ "$KIND" = plain ]; then
	exec chroot "$root" bash -c "/payload/script >/out/log 2>&1"
fi
[ "$GROUPS_AT" = /sys/fs/cgroup ] || mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
for g in $GROUPS_AT; do
	mkdir -p "$root$g"
	case $g in
	*/systemd) mount -t cgroup -o none,name=systemd cgroup "$root$g" ;;
	*) mount -t cgroup2 cgroup2 "$root$g" ;;
	esac
done
# What would reach out of the namespaces, or is of no use in them.
for unit in systemd-sysctl systemd-modules-load systemd-binfmt systemd-remount-fs systemd-udevd systemd-udev-trigger \
	systemd-tmpfiles-setup-dev systemd-update-utmp systemd-hwdb-update systemd-timesyncd; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
ln -sf /dev/null "$root/etc/systemd/system/systemd-udevd-kernel.socket"
ln -sf /dev/null "$root/etc/systemd/system/systemd-udevd-control.socket"
cat >"$root/etc/systemd/system/script.service" <<END
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/payload/script
StandardOutput=append:/out/log
StandardError=append:/out/log
TimeoutStartSec=infinity
END
cd "$root"
mkdir old
pivot_root . old
umount -l old
export container=other
exec /lib/systemd/systemd --system --unit=script.service --log-target=journal --show-status=no
'
