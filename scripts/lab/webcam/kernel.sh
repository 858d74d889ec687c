#!/usr/bin/env bash
# Fills /webcam/kernel; webcam-vm.sh runs this script in the chroot. The result is vmlinuz, and modules/ with a file
# `order`, which lists the modules in the order in which init.sh loads them: the modules of the shared root file system,
# then v4l2loopback, which is compiled for this kernel. The file `ready` is written last.
set -euo pipefail
cd /webcam/kernel

release=$(dpkg-query -Wf '${Depends}' linux-headers-amd64 | sed 's/^linux-headers-\([^ ]*\).*/\1/')
apt-get update
apt-get -o APT::Sandbox::User=root download "linux-image-$release" v4l2loopback-dkms
for package in *.deb; do dpkg-deb -x "$package" tree; done
rm -- *.deb
# kmod searches in lib, and the package contains usr/lib.
[[ -e tree/lib ]] || ln -s usr/lib tree/lib
depmod -b "$PWD/tree" "$release"

source=$(echo tree/usr/src/v4l2loopback-*)
make -C "/usr/src/linux-headers-$release" M="$PWD/$source" modules

mkdir modules
mapfile -d , -t needed < <(modinfo -F depends "$source/v4l2loopback.ko" | tr -d '\n')
for name in virtio_pci 9pnet_virtio 9p overlay "${needed[@]}"; do
  modprobe -d "$PWD/tree" -S "$release" --show-depends "$name"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
  name=$(basename "$file" .xz)
  case $file in
    *.xz) xz -dc "$file" > "modules/$name" ;;
    *) cp "$file" "modules/$name" ;;
  esac
  echo "$name" >> modules/order
done
cp "$source/v4l2loopback.ko" modules/
echo "v4l2loopback.ko devices=1 video_nr=7 card_label=webcam exclusive_caps=1" >> modules/order

mv "tree/boot/vmlinuz-$release" vmlinuz
rm -rf tree
touch ready
