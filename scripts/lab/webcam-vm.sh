#!/usr/bin/env bash
# Tests the pipeline of the README with a webcam on a machine without one: starts a virtual
# machine with Debian's kernel, in which v4l2loopback provides /dev/video7 with a cat and then
# a dog. The pipeline runs there under Xvfb, and the script takes a screenshot of each.
#
# Usage: scripts/lab/webcam-vm.sh [--plugin FILE] [--runtime FILE] [--model FILE]
#                                 [--pipeline TEXT] [--program FILE] [--settle SECONDS] [--out DIR]
#        scripts/lab/webcam-vm.sh clean
#
#   --plugin    libgstcatdog.so (default: the release build of this repository)
#   --runtime   libLiteRt.so (default: CATDOG_LITERT_LIBRARY, or the one of fetch-runtime.sh)
#   --model     .tflite file for model-file (default: the built-in model)
#   --pipeline  the pipeline for gst-launch-1.0, where MODEL stands for the path of the model. Default:
#               v4l2src device=/dev/video7 ! videoconvert ! catdogfilter
#               model-file=MODEL ! textoverlay ! autovideosink
#               Options of gst-launch-1.0, such as -m, may precede it.
#   --program   the command catdog: `catdog cameras` and `catdog live` run instead of a pipeline, and the camera must
#               be the one that both choose. Then the camera is unplugged and plugged in, and must be found again. At the
#               end, `catdog live` runs with a camera of libcamera
#   --settle    seconds between the first frame of an animal and its screenshot (default: 8)
#   --out       folder of screenshots and logs (default: $CATDOG_LAB/webcam/out)
#   clean       removes the kernel and the files of earlier runs
#
# Prints the folder with cat.png, dog.png and the logs. Fails if a screenshot is missing, if
# both are equal, or if the log of the pipeline contains an ERROR.
#
# The machine is emulated, so it does not need KVM; a run takes about a minute on two cores.
# Its root is the chroot of trixie.sh, read-only below a layer in memory. Needs root and
# debootstrap; everything else is installed in the chroot. CATDOG_VM_TIMEOUT is the maximum
# duration of a run in seconds (default: 300). See common.sh for CATDOG_LAB, CATDOG_MIRROR
# and CATDOG_TEST_DATA.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

root=$lab_dir/trixie
state=$lab_dir/webcam
kernel=$state/kernel
plugin='' runtime=${CATDOG_LITERT_LIBRARY:-} model='' program='' settle=8 out=$state/out
pipeline='v4l2src device=/dev/video7 ! videoconvert ! catdogfilter model-file=MODEL ! textoverlay ! autovideosink'

in_chroot() { "$lab_scripts/enter.sh" --bind "$state:/webcam" "$@" < /dev/null; }

# The kernel is outside the chroot, because the machine does not boot from it.
prepare_kernel() {
  "$lab_scripts/trixie.sh" install busybox-static cpio ffmpeg gstreamer1.0-libcamera kmod linux-headers-amd64 \
    make qemu-system-x86 xz-utils
  lab_lock
  if [[ ! -e $kernel/ready ]]; then
    say "unpacking a kernel and compiling v4l2loopback in $kernel"
    rm -rf "$kernel"
    mkdir -p "$kernel"
    in_chroot --bind "$lab_scripts/webcam:/scripts" "$root" /scripts/kernel.sh \
      > "$state/kernel.log" 2>&1 || die "the kernel with v4l2loopback could not be built; see $state/kernel.log"
  fi
  lab_unlock
}

# Fills the folder /lab of the machine.
fill_share() {
  local data clip name start crop
  data=$(lab_data)
  mkdir -p "$share/plugin" "$share/gst-catdog" "$share/out" "$share/initrd/bin"
  # Three seconds and a part of the frame in which the animal is whole and large, so that
  # every frame gives the same screenshot.
  while read -r name clip start crop; do
    need_file "test data" "$data/clips/$clip"
    in_chroot --bind "$data:/data" --bind "$share:/lab" "$root" ffmpeg -v error -y \
      -ss "$start" -t 3 -i "/data/clips/$clip" -an \
      -vf "fps=10,crop=$crop,scale=640:480" \
      -pix_fmt yuyv422 -f rawvideo "/lab/$name.yuv"
  done <<< $'cat cat_on_chair_640x338.mp4 1.5 400:300:190:20\ndog dog_in_park_640x360.mp4 5 400:300:180:10'
  in_chroot --bind "$share:/lab" "$root" ffmpeg -v error -y -f rawvideo -pix_fmt yuyv422 -s 640x480 \
    -i /lab/cat.yuv -frames:v 1 -pix_fmt yuvj420p /lab/cat.jpg
  [[ -z $plugin ]] || cp "$plugin" "$share/plugin/$CATDOG_PLUGIN"
  [[ -z $runtime ]] || cp "$runtime" "$share/gst-catdog/$CATDOG_RUNTIME"
  if [[ -n $model ]]; then
    cp "$model" "$share/model.tflite"
    pipeline=${pipeline//MODEL/\/lab\/model.tflite}
  else
    pipeline=${pipeline// model-file=MODEL/}
  fi
  if [[ -n $program ]]; then
    cp "$program" "$share/catdog"
    printf '/lab/catdog live\n' > "$share/command"
  else
    printf 'gst-launch-1.0 %s\n' "$pipeline" > "$share/command"
  fi
  printf '%s\n' "$settle" > "$share/settle"
  cp "$lab_scripts/webcam/guest.sh" "$share/guest.sh"
  cp "$root/bin/busybox" "$share/initrd/bin/"
  cp "$lab_scripts/webcam/init.sh" "$share/initrd/init"
  cp -r "$kernel/modules" "$share/initrd/"
  in_chroot --bind "$share:/lab" "$root" bash -euo pipefail -c \
    'cd /lab/initrd && find . | cpio --quiet -o -H newc | gzip -1 > /lab/initrd.gz'
  # Scanning all plugins takes half a minute in the emulated machine and a second here. It
  # also detects a plugin that does not load before the machine starts.
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
  rm -f "$out"/{cat,dog}.png "$out"/pipeline.log "$out"/cameras.txt "$out"/libcamera.json "$out"/status
  cp "$share"/out/* "$out/"
}

judge() {
  local status=''
  [[ ! -e $out/status ]] || status=$(< "$out/status")
  if [[ -e $out/pipeline.log ]] && grep -E 'ERROR|erroneous' "$out/pipeline.log" >&2; then
    die "the pipeline reported an error; see $out/pipeline.log"
  fi
  [[ $status == ok ]] || die "${status:-the guest reported nothing; see $out/console.log} (logs in $out)"
  [[ -s $out/cat.png && -s $out/dog.png ]] || die "a screenshot is missing; see $out"
  ! cmp -s "$out/cat.png" "$out/dog.png" || die "both screenshots are equal; see $out"
  if [[ -n $program ]]; then
    if ! grep -A 1 '(catdog live takes it' "$out/cameras.txt" | grep -q ' device   /dev/video7$'; then
      die "catdog cameras does not choose the camera; see $out/cameras.txt"
    fi
    grep -q '"api":"libcamera"' "$out/libcamera.json" || die "catdog cameras does not list the camera of libcamera; see $out/libcamera.json"
    grep -q '  cat  ' "$out/pipeline.log" || die "catdog live did not print the cat; see $out/pipeline.log"
  fi
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
    --program) program=$2 ;;
    --settle) settle=$2 ;;
    --out) out=$(realpath -m "$2") ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift 2
done
need_root
if [[ -z $plugin && $pipeline == *catdog* ]]; then
  plugin=$CATDOG_TARGET/release/$CATDOG_PLUGIN
  [[ -f $plugin ]] || die "there is no plugin $plugin; run cargo build --release, or use --plugin"
fi
[[ -z $plugin ]] || need_file --plugin "$plugin"
[[ -z $plugin || -n $runtime ]] || runtime=$(lab_runtime x86_64)
[[ -z $runtime ]] || need_file --runtime "$runtime"
[[ -z $model ]] || need_file --model "$model"
[[ -z $program ]] || need_file --program "$program"

prepare_kernel
share=$(mktemp -d "$state/run.XXXXXX")
trap 'rm -rf "$share"' EXIT
fill_share
boot
collect
judge
say "screenshots and logs:"
printf '%s\n' "$out"
