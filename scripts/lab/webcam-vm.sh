#!/usr/bin/env bash
# The pipeline of the README on a webcam, on a machine that has none: a virtual machine
# with Debian's kernel, in which v4l2loopback makes /dev/video7 show first a cat and
# then a dog; the pipeline runs there under Xvfb, and a screenshot is taken of each.
#
# usage: scripts/lab/webcam-vm.sh [--plugin FILE] [--runtime FILE] [--model FILE]
#                                 [--pipeline TEXT] [--settle SECONDS] [--out DIR]
#        scripts/lab/webcam-vm.sh clean
#
#   --plugin    libgstcatdog.so; default: the release build of this repository
#   --runtime   libLiteRt.so, put where the plugin looks; default: CATDOG_LITERT_LIBRARY, else
#               what fetch-runtime.sh fetches
#   --model     .tflite file for model-file; default: none, the plugin's own model
#   --pipeline  what gst-launch-1.0 runs; MODEL in it becomes the model's path. Default:
#               v4l2src device=/dev/video7 ! videoconvert ! catdogfilter
#               model-file=MODEL ! textoverlay ! autovideosink
#               Options of gst-launch-1.0, such as -m, may stand in front.
#   --settle    seconds between the first sight of an animal and its screenshot: 8
#   --out       folder of screenshots and logs; default $CATDOG_LAB/webcam/out
#   clean       removes the kernel and what runs have left
#
# Prints the folder with cat.png, dog.png and the logs. Fails when a screenshot is
# missing, when both show the same, or when the pipeline's log has an ERROR.
#
# The machine is emulated (no KVM needed): about a minute, two cores. The root is the
# chroot of trixie.sh, read-only under a layer in memory. Needs root and debootstrap;
# everything else is installed in the chroot. CATDOG_VM_TIMEOUT (300) is the longest
# a run may take. See common.sh for CATDOG_LAB, CATDOG_MIRROR and CATDOG_TEST_DATA.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

root=$lab_dir/trixie
state=$lab_dir/webcam
kernel=$state/kernel
plugin='' runtime=${CATDOG_LITERT_LIBRARY:-} model='' settle=8 out=$state/out
pipeline='v4l2src device=/dev/video7 ! videoconvert ! catdogfilter model-file=MODEL ! textoverlay ! autovideosink'

in_chroot() { "$lab_scripts/enter.sh" --bind "$state:/webcam" "$@" < /dev/null; }

# The kernel lies beside the chroot, not in it: nothing there boots from a disk.
prepare_kernel() {
  "$lab_scripts/trixie.sh" install busybox-static cpio ffmpeg kmod linux-headers-amd64 make \
    qemu-system-x86 xz-utils
  lab_lock
  if [[ ! -e $kernel/ready ]]; then
    say "unpacking a kernel and compiling v4l2loopback in $kernel"
    rm -rf "$kernel"
    mkdir -p "$kernel"
    in_chroot --bind "$lab_scripts/webcam:/scripts" "$root" /scripts/kernel.sh \
      > "$state/kernel.log" 2>&1 || die "no kernel with v4l2loopback: see $state/kernel.log"
  fi
  lab_unlock
}

# What the machine finds in its folder /lab.
fill_share() {
  local data clip name start crop
  data=$(lab_data)
  mkdir -p "$share/plugin" "$share/gst-catdog" "$share/out" "$share/initrd/bin"
  # Three seconds and a part of the picture in which the animal is whole and large, so
  # that what a screenshot shows does not hang on the frame it was taken in.
  while read -r name clip start crop; do
    need_file "test data" "$data/clips/$clip"
    in_chroot --bind "$data:/data" --bind "$share:/lab" "$root" ffmpeg -v error -y \
      -ss "$start" -t 3 -i "/data/clips/$clip" -an \
      -vf "fps=10,crop=$crop,scale=640:480" \
      -pix_fmt yuyv422 -f rawvideo "/lab/$name.yuv"
  done <<< $'cat cat_on_chair_640x338.mp4 1.5 400:300:190:20\ndog dog_in_park_640x360.mp4 5 400:300:180:10'
  [[ -z $plugin ]] || cp "$plugin" "$share/plugin/$CATDOG_PLUGIN"
  [[ -z $runtime ]] || cp "$runtime" "$share/gst-catdog/$CATDOG_RUNTIME"
  if [[ -n $model ]]; then
    cp "$model" "$share/model.tflite"
    pipeline=${pipeline//MODEL/\/lab\/model.tflite}
  else
    pipeline=${pipeline// model-file=MODEL/}
  fi
  printf '%s\n' "$pipeline" > "$share/pipeline"
  printf '%s\n' "$settle" > "$share/settle"
  cp "$lab_scripts/webcam/guest.sh" "$share/guest.sh"
  cp "$root/bin/busybox" "$share/initrd/bin/"
  cp "$lab_scripts/webcam/init.sh" "$share/initrd/init"
  cp -r "$kernel/modules" "$share/initrd/"
  in_chroot --bind "$share:/lab" "$root" bash -euo pipefail -c \
    'cd /lab/initrd && find . | cpio --quiet -o -H newc | gzip -1 > /lab/initrd.gz'
  # Reading every plugin costs the emulated machine half a minute; here, a second. It
  # also tells before the machine starts whether the plugin loads at all.
  in_chroot --bind "$share:/lab" --env GST_PLUGIN_PATH=/lab/plugin --env GST_REGISTRY=/lab/registry.bin \
    "$root" gst-inspect-1.0 ${plugin:+catdogfilter} > "$share/out/inspect.log" 2>&1 ||
    die "the plugin does not load in the chroot: $(tail -n 1 "$share/out/inspect.log")"
}

boot() {
  local limit=${CATDOG_VM_TIMEOUT:-300}
  say "starting the virtual machine"
  # shellcheck disable=SC2054  # the commas belong to QEMU
  local machine=(
    -accel tcg,thread=multi -cpu max -smp 2 -m 2048 -nodefaults -no-reboot -nographic -serial stdio
    -kernel /webcam/kernel/vmlinuz -initrd /lab/initrd.gz
    -append 'console=ttyS0 quiet panic=-1 mitigations=off'
    -fsdev local,id=rootfs,path=/,security_model=none,readonly=on,multidevs=remap
    -device virtio-9p-pci,fsdev=rootfs,mount_tag=rootfs
    -fsdev local,id=lab,path=/lab,security_model=none,multidevs=remap
    -device virtio-9p-pci,fsdev=lab,mount_tag=lab
    -device virtio-rng-pci
  )
  in_chroot --bind "$share:/lab" "$root" timeout --foreground --kill-after=5 "$limit" \
    qemu-system-x86_64 "${machine[@]}" 2>&1 | tr -d '\r' | tee "$share/out/console.log" |
    sed -un 's/^.*guest: /guest: /p' >&2 ||
    say "the virtual machine failed, or did not end within $limit s"
}

collect() {
  local name
  for name in cat dog; do
    [[ -e $share/out/$name.xwd ]] || continue
    in_chroot --bind "$share:/lab" "$root" ffmpeg -v error -y -i "/lab/out/$name.xwd" "/lab/out/$name.png" ||
      say "the screenshot of the $name cannot be read"
    rm "$share/out/$name.xwd"
  done
  mkdir -p "$out"
  rm -f "$out"/{cat,dog}.png "$out"/pipeline.log "$out"/status
  cp "$share"/out/* "$out/"
}

judge() {
  local status=''
  [[ ! -e $out/status ]] || status=$(< "$out/status")
  if [[ -e $out/pipeline.log ]] && grep -E 'ERROR|erroneous' "$out/pipeline.log" >&2; then
    die "the pipeline reported an error: see $out/pipeline.log"
  fi
  [[ $status == ok ]] || die "${status:-the guest reported nothing: see $out/console.log} (logs in $out)"
  [[ -s $out/cat.png && -s $out/dog.png ]] || die "no screenshot was made: see $out"
  ! cmp -s "$out/cat.png" "$out/dog.png" || die "both screenshots show the same: see $out"
}

case ${1:-} in
  -h | --help) print_help; exit ;;
  clean)
    need_root
    lab_lock
    lab_remove "$state"
    exit
    ;;
esac
while [[ $# -gt 0 ]]; do
  [[ $# -ge 2 ]] || usage_error "$1 needs a value"
  case $1 in
    --plugin) plugin=$2 ;;
    --runtime) runtime=$2 ;;
    --model) model=$2 ;;
    --pipeline) pipeline=$2 ;;
    --settle) settle=$2 ;;
    --out) out=$(realpath -m "$2") ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift 2
done
need_root
if [[ -z $plugin && $pipeline == *catdog* ]]; then
  plugin=$CATDOG_TARGET/release/$CATDOG_PLUGIN
  [[ -f $plugin ]] || die "no plugin $plugin: run cargo build --release, or give --plugin"
fi
[[ -z $plugin ]] || need_file --plugin "$plugin"
[[ -z $plugin || -n $runtime ]] || runtime=$(lab_runtime x86_64)
[[ -z $runtime ]] || need_file --runtime "$runtime"
[[ -z $model ]] || need_file --model "$model"

prepare_kernel
share=$(mktemp -d "$state/run.XXXXXX")
trap 'rm -rf "$share"' EXIT
fill_share
boot
collect
judge
say "screenshots and logs:"
printf '%s\n' "$out"
