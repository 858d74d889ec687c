#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the virtual machine of webcam-vm.sh, in its initial RAM disk: loads
# the kernel modules, mounts a writable layer in memory over the read-only root of the
# host, and runs guest.sh.
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /lower /memory /merged
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module options; do
  # shellcheck disable=SC2086  # the options are separate words
  insmod "/modules/$module" $options || echo "guest: module $module does not load"
done < /modules/order

mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro,cache=loose rootfs /lower
mount -t tmpfs -o size=1g memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work overlay /merged
mkdir -p /merged/lab /merged/run /merged/tmp
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 lab /merged/lab
mount -t tmpfs run /merged/run
mount -t tmpfs tmp /merged/tmp
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
for tree in proc sys dev; do mount --move "/$tree" "/merged/$tree"; done
cp /bin/busybox /merged/run/busybox
# To unplug the camera and plug it in again.
cp /modules/v4l2loopback.ko /merged/run/
sed -n 's/^v4l2loopback.ko //p' /modules/order > /merged/run/v4l2loopback.options
exec switch_root /merged /bin/bash /lab/guest.sh
