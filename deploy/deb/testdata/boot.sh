#!/bin/sh
# boot.sh DIR boots systemd on a copy of this machine's files, and ends as DIR/trial.sh
# does, which it runs; run this as root in namespaces of its own:
#   unshare --mount --pid --fork --kill-child --net --cgroup --uts --ipc boot.sh DIR
# What is written is kept in memory, and gone when the namespaces are.
set -eu
trial=$1

mount --make-rprivate /
mkdir -p "$trial/root"
mount -t tmpfs tmpfs "$trial/root"
cd "$trial/root"
mkdir upper work new
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" new ||
	mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work,userxattr" new || exit 42
cd new

# As containers have them: what concerns the whole machine cannot be written, by which
# systemd sees that it is not its own.
mount -t proc proc proc
mount -t sysfs sysfs sys -o ro
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
for d in null zero full random urandom tty; do
	touch dev/$d
	mount --bind /dev/$d dev/$d
done
mkdir dev/net dev/shm dev/pts
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx
mknod -m 666 dev/net/tun c 10 200
mkdir run/trial
mount --bind "$trial" run/trial

cat >etc/systemd/system/trial.service <<'X'
[Unit]
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh /run/trial/trial.sh
StandardOutput=file:/run/trial/log
StandardError=inherit
TimeoutStartSec=infinity
X
rm -f usr/sbin/policy-rc.d # of containers: nothing is started
mkdir -p old
pivot_root . old
umount -l /old
ip link set lo up
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --system --unit=trial.service --log-target=journal --show-status=no </dev/null
