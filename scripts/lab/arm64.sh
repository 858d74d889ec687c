#!/usr/bin/env bash
# The plugin for a 64-bit Raspberry Pi, built and tried on another machine: crosses the
# crate to aarch64 against a sysroot of Debian's arm64 packages, then runs it with the
# sysroot's own GStreamer under an emulated Cortex-A76.
#
# usage: scripts/lab/arm64.sh [--suite bookworm|trixie] [--plugin FILE]
#                             [--runtime FILE] [--model FILE] [--picture FILE]
#                             [--expect LABEL] [-- CARGO-OPTION...]
#        scripts/lab/arm64.sh clean
#
#   --suite    Debian release of the sysroot: bookworm (default; what is built against
#              it runs on trixie too) or trixie (has GStreamer 1.26 for `analytics`)
#   --plugin   tries this aarch64 libgstcatdog.so instead of building one
#   --runtime  aarch64 libLiteRt.so, put beside the plugin; default: what
#              fetch-runtime.sh fetches
#   --model    .tflite file for model-file; default: the plugin's own model
#   --picture  JPEG to classify; default: one of a cat from the test data
#   --expect   label that the picture must get; default: cat
#   clean      removes the sysroots and what was built for them
#
# As in: scripts/lab/arm64.sh --suite trixie -- --features analytics
#
# Prints the path of the plugin. Needs what trixie.sh needs; compiler and emulator are
# installed in its chroot: the emulator of Debian 12 crashes in LiteRT.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target=aarch64-unknown-linux-gnu
triplet=aarch64-linux-gnu
suite=bookworm plugin='' runtime='' model='' picture='' expect=cat cargo_options=()

make_sysroot() {
  # Not libc6-dev-arm64-cross: the C library must be the sysroot's.
  "$lab_scripts/trixie.sh" install arch-test gcc-aarch64-linux-gnu mmdebstrap qemu-user
  lab_lock
  if [[ ! -e $sysroot/usr/bin/gst-inspect-1.0 ]]; then
    local packages=(
      base-files libc6-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
      gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-x
      fonts-dejavu-core
    )
    [[ $suite == bookworm ]] || packages+=(libgstreamer-plugins-bad1.0-dev)
    local mirror
    mirror=$(debian_mirror)
    say "unpacking arm64 packages of Debian $suite in $sysroot"
    lab_remove "$sysroot" "$sysroot.part"
    mkdir -p "$sysroot.part"
    "$lab_scripts/enter.sh" --bind "$sysroot.part:/sysroot" "$lab_dir/trixie" \
      mmdebstrap --mode=root --arch=arm64 --variant=extract --skip=output/dev,check/empty \
      --include="$(IFS=,; echo "${packages[*]}")" "$suite" /sysroot "$mirror" \
      < /dev/null > "$lab_dir/mmdebstrap.log" 2>&1 || die "mmdebstrap failed: see $lab_dir/mmdebstrap.log"
    # Packages are unpacked, never configured: what runs needs no more than the loader.
    [[ -e $sysroot.part/lib/ld-linux-aarch64.so.1 ]] || ln -s usr/lib "$sysroot.part/lib"
    mv "$sysroot.part" "$sysroot"
  fi
  lab_unlock
}

build() {
  local rustup=${CARGO_HOME:-$HOME/.cargo}/bin/rustup
  [[ -x $rustup ]] || die "no rustup in $(dirname "$rustup"): install it, or set CARGO_HOME"
  if ! (cd "$CATDOG_ROOT" && "$rustup" target list --installed) | grep -qx "$target"; then
    say "adding the Rust target $target"
    (cd "$CATDOG_ROOT" && "$rustup" target add "$target") >&2 ||
      die "rustup cannot fetch the standard library of $target: add it once where its server is reached"
  fi
  mkdir -p "$build_dir"
  say "building for $target against Debian $suite"
  "$lab_scripts/trixie.sh" run --bind "$sysroot" --bind "$build_dir" env CARGO_TARGET_DIR="$build_dir" \
    PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR="$sysroot" \
    PKG_CONFIG_LIBDIR="$sysroot/usr/lib/$triplet/pkgconfig:$sysroot/usr/share/pkgconfig" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$triplet-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=--sysroot=$sysroot" \
    CC_aarch64_unknown_linux_gnu=$triplet-gcc CFLAGS_aarch64_unknown_linux_gnu="--sysroot=$sysroot" \
    cargo build --release --lib --target "$target" ${cargo_options[@]+"${cargo_options[@]}"} < /dev/null >&2 ||
    die "the crate does not build for $target"
  plugin=$build_dir/$target/release/$CATDOG_PLUGIN
}

# Runs an arm64 program of the sysroot. GStreamer must not start its plugin scanner: the
# kernel of this machine does not know how to run that.
emulate() {
  "$lab_scripts/enter.sh" --bind "$lab_dir/trixie/usr/bin/qemu-aarch64:/qemu-aarch64" --bind "$share:/lab" \
    --env QEMU_CPU=cortex-a76 --env HOME=/tmp --env GST_REGISTRY_FORK=no \
    --env GST_REGISTRY=/lab/registry.bin --env GST_PLUGIN_PATH=/lab/plugin \
    "$sysroot" /qemu-aarch64 "$@" < /dev/null
}

try() {
  mkdir "$share/plugin"
  cp "$plugin" "$share/plugin/$CATDOG_PLUGIN"
  say "gst-inspect-1.0 catdogfilter"
  emulate /usr/bin/gst-inspect-1.0 catdogfilter > "$share/inspect.log" 2>&1 || {
    cat "$share/inspect.log" >&2
    die "the plugin does not load on arm64 Debian $suite"
  }
  grep -E '^ *(Long-name|Version)' "$share/inspect.log" >&2
  cp "$runtime" "$share/plugin/$CATDOG_RUNTIME"
  cp "$picture" "$share/picture.jpg"
  [[ -z $model ]] || cp "$model" "$share/model.tflite"
  say "classifying $(basename "$picture")"
  local pipeline=(
    filesrc location=/lab/picture.jpg ! jpegdec ! videoconvert
    ! catdogfilter ${model:+model-file=/lab/model.tflite} post-messages=every
    ! textoverlay ! fakesink
  )
  emulate /usr/bin/gst-launch-1.0 -m "${pipeline[@]}" > "$share/pipeline.log" 2>&1 || {
    tail -n 20 "$share/pipeline.log" >&2
    die "the pipeline fails on arm64"
  }
  local results
  results=$(grep -E '\(element\): catdog,' "$share/pipeline.log") || die "the pipeline ended without a result"
  printf '%s\n' "$results" | tail -n 1 >&2
  grep -qE "label=\(string\)\"?$expect\b" <<< "$results" ||
    die "$(basename "$picture") was not classified as $expect"
}

case ${1:-} in
  -h | --help) print_help; exit ;;
  clean)
    need_root
    lab_lock
    lab_remove "$lab_dir"/arm64-* "$lab_dir"/target/arm64-*
    exit
    ;;
esac
while [[ $# -gt 0 ]]; do
  if [[ $1 == -- ]]; then
    shift
    cargo_options=("$@")
    break
  fi
  [[ $# -ge 2 ]] || usage_error "$1 needs a value"
  case $1 in
    --suite) suite=$2 ;;
    --plugin) plugin=$2 ;;
    --runtime) runtime=$2 ;;
    --model) model=$2 ;;
    --picture) picture=$2 ;;
    --expect) expect=$2 ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift 2
done
need_root
[[ -z $plugin ]] || need_file --plugin "$plugin"
[[ -z $model ]] || need_file --model "$model"
if [[ -z $picture ]]; then
  data=$(lab_data)
  picture=$(first_file "$data"/heldout/cats/*.jpg) || die "no picture in $data/heldout/cats: give --picture"
fi
need_file --picture "$picture"
[[ -n $runtime ]] || runtime=$(lab_runtime aarch64)
need_file --runtime "$runtime"
sysroot=$lab_dir/arm64-$suite
build_dir=$lab_dir/target/arm64-$suite

make_sysroot
[[ -n $plugin ]] || build
share=$(mktemp -d "$lab_dir/arm64-run.XXXXXX")
trap 'rm -rf "$share"' EXIT
try
printf '%s\n' "$plugin"
