#!/usr/bin/env bash
# Builds and tests the plugin for a 64-bit Raspberry Pi on another machine: compiles it for
# aarch64 with a sysroot of Debian's arm64 packages, and runs it with the GStreamer of the
# sysroot on an emulated Cortex-A76.
#
# Usage: scripts/lab/arm64.sh [--suite bookworm|trixie] [--plugin FILE]
#                             [--runtime FILE] [--model FILE] [--picture FILE]
#                             [--expect LABEL] [--tests] [--instructions]
#                             [-- CARGO-OPTION...]
#        scripts/lab/arm64.sh clean
#
#   --suite    Debian release of the sysroot: bookworm (default; the result also runs on
#              trixie) or trixie (has GStreamer 1.26 for `analytics`)
#   --plugin   tests this aarch64 libgstcatdog.so and builds none
#   --runtime  aarch64 libLiteRt.so (default: the one of fetch-runtime.sh)
#   --model    .tflite file for model-file (default: the built-in model)
#   --picture  JPEG to classify (default: a cat from the test data)
#   --expect   expected label of the picture (default: cat)
#   --tests    also runs release builds of the tests of the preprocessing, which uses NEON,
#              and a few frames of the benches preprocess and element_cost; their times are
#              not printed, because they mean nothing under emulation
#   --instructions
#              also prints the number of instructions of the preprocessing of a frame
#   clean      removes the sysroots and the build output
#
# Example: scripts/lab/arm64.sh --suite trixie -- --features analytics
#
# The last line of the output is the path of the plugin. The requirements are the same as for
# trixie.sh. Compiler and emulator are installed in the chroot of trixie.sh, because the
# emulator of Debian 12 crashes in LiteRT.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target=aarch64-unknown-linux-gnu
triplet=aarch64-linux-gnu
suite=bookworm plugin='' runtime='' model='' picture='' expect=cat
tests='' instructions='' cargo_options=()

make_sysroot() {
  # libc6-dev-arm64-cross is not installed, because the C library must be that of the sysroot.
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
      < /dev/null > "$lab_dir/mmdebstrap.log" 2>&1 || die "mmdebstrap failed; see $lab_dir/mmdebstrap.log"
    # The packages are unpacked and not configured. The programs need only the loader.
    [[ -e $sysroot.part/lib/ld-linux-aarch64.so.1 ]] || ln -s usr/lib "$sysroot.part/lib"
    mv "$sysroot.part" "$sysroot"
  fi
  lab_unlock
}

prepare_target() {
  local rustup=${CARGO_HOME:-$HOME/.cargo}/bin/rustup
  [[ -x $rustup ]] || die "there is no rustup in $(dirname "$rustup"); install it, or set CARGO_HOME"
  if ! (cd "$CATDOG_ROOT" && "$rustup" target list --installed) | grep -qx "$target"; then
    say "adding the Rust target $target"
    (cd "$CATDOG_ROOT" && "$rustup" target add "$target") >&2 ||
      die "rustup cannot download the standard library of $target; add it once with a network connection"
  fi
  mkdir -p "$build_dir"
}

# cross ARGUMENT... : runs cargo for the target with the sysroot.
cross() {
  prepare_target
  "$lab_scripts/trixie.sh" run --bind "$sysroot" --bind "$build_dir" env CARGO_TARGET_DIR="$build_dir" \
    PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR="$sysroot" \
    PKG_CONFIG_LIBDIR="$sysroot/usr/lib/$triplet/pkgconfig:$sysroot/usr/share/pkgconfig" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$triplet-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=--sysroot=$sysroot" \
    CC_aarch64_unknown_linux_gnu=$triplet-gcc CFLAGS_aarch64_unknown_linux_gnu="--sysroot=$sysroot" \
    cargo "$@" --release --target "$target" ${cargo_options[@]+"${cargo_options[@]}"} < /dev/null
}

build() {
  say "building for $target against Debian $suite"
  cross build --package gst-plugin-catdog --lib >&2 || die "the plugin does not build for $target"
  plugin=$build_dir/$target/release/$CATDOG_PLUGIN
}

# Builds the programs of --tests and --instructions, and copies them into $share/programs. The name of a copy is the
# folder of its source and the name of the program, such as tests-preprocess.
build_programs() {
  local source program name
  say "building tests and benches for $target"
  cross test --no-run --package catdog-core --package gst-plugin-catdog --lib --test preprocess \
    --bench preprocess --bench element_cost --bench instructions \
    2> >(tee "$share/build.log" >&2) || die "the tests do not build for $target"
  mkdir "$share/programs"
  while read -r source program; do
    name=$(basename "$program")
    cp "$program" "$share/programs/${source%%/*}-${name%-*}"
  done < <(sed -nE 's/^ *Executable (unittests )?([^ ]+) \((.*)\)$/\2 \3/p' "$share/build.log")
}

# emulate PROGRAM ARGUMENT... : runs an arm64 program in the sysroot. GStreamer must not start its plugin
# scanner, because the kernel of this machine cannot run an arm64 program.
emulate() {
  "$lab_scripts/enter.sh" --bind "$lab_dir/trixie/usr/bin/qemu-aarch64:/qemu-aarch64" --bind "$share:/lab" \
    --bind "$CATDOG_ROOT" --env QEMU_CPU=cortex-a76 --env HOME=/tmp --env GST_REGISTRY_FORK=no \
    --env CATDOG_LITERT_LIBRARY=/lab/gst-catdog/$CATDOG_RUNTIME ${emulate_options[@]+"${emulate_options[@]}"} \
    --env GST_REGISTRY=/lab/registry.bin --env GST_PLUGIN_PATH=/lab/plugin \
    "$sysroot" /qemu-aarch64 "$@" < /dev/null
}

# Loads the plugin and classifies the picture.
test_plugin() {
  mkdir "$share/plugin" "$share/gst-catdog"
  cp "$plugin" "$share/plugin/$CATDOG_PLUGIN"
  say "gst-inspect-1.0 catdogfilter"
  emulate /usr/bin/gst-inspect-1.0 catdogfilter > "$share/inspect.log" 2>&1 || {
    cat "$share/inspect.log" >&2
    die "the plugin does not load on arm64 Debian $suite"
  }
  grep -E '^ *(Long-name|Version)' "$share/inspect.log" >&2
  cp "$runtime" "$share/gst-catdog/$CATDOG_RUNTIME"
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

# Runs the tests and benches. Times stay in the log.
run_tests() {
  local emulate_options=(--env "CATDOG_BENCH_MODEL=$CATDOG_ROOT/tests/models/dynamic_batch.tflite")
  emulate_options+=(--env CATDOG_BENCH_FRAMES=2)
  run_program src-catdog_core preprocess::
  run_program tests-preprocess
  run_program benches-preprocess --test
  run_program benches-element_cost
}

# run_program NAME ARGUMENT... : runs a program of build_programs.
run_program() {
  say "running $*"
  emulate "/lab/programs/$1" "${@:2}" > "$share/program.log" 2>&1 || {
    tail -n 40 "$share/program.log" >&2
    die "$1 fails on arm64"
  }
  sed -n 's/^\(test result: .*\); finished in .*/\1/p' "$share/program.log" >&2
}

# instructions FRAMES CASE : prints the number of instructions of the program for this number of frames of a case.
#
# Debian's qemu-user is linked statically, so it cannot load a plugin that counts. Its log contains each block of
# instructions when the block is translated (in_asm) and when it is run (exec, complete with `nochain`). Fixed addresses
# (-R) and random numbers (-seed) make the count reproducible.
instructions() {
  emulate -R 0x1000000000 -seed 1 -d in_asm,exec,nochain \
    /lab/programs/benches-instructions --frames "$1" "$2" 2>&1 > /dev/null | awk '
    /^IN:/ { length_of_block = 0; next }
    /^0x[0-9a-f]+:/ { length_of_block++; next }
    /^Trace / {
      # $4 is [cs_base/pc/flags/cflags]. With other flags, the same code may be divided into other blocks.
      if (!($4 in lengths)) lengths[$4] = length_of_block
      total += lengths[$4]
    }
    END { print total + 0 }'
}

# Prints the difference between one frame and none, which does not contain the start and the warm-up.
count_instructions() {
  local name none one
  emulate /lab/programs/benches-instructions --frames 0 preprocess > "$share/names" 2> "$share/program.log" ||
    die "the program fails on arm64: $(tail -n 1 "$share/program.log")"
  say "instructions per frame, arm64"
  while read -r name; do
    none=$(instructions 0 "$name") || die "$name could not be counted"
    one=$(instructions 1 "$name") || die "$name could not be counted"
    printf '%9d  %s\n' $((one - none)) "$name"
  done < "$share/names"
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
  case $1 in
    --tests) tests=1; shift; continue ;;
    --instructions) instructions=1; shift; continue ;;
  esac
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
  picture=$(first_file "$data"/heldout/cats/*.jpg) || die "there is no picture in $data/heldout/cats; use --picture"
fi
need_file --picture "$picture"
[[ -n $runtime ]] || runtime=$(lab_runtime aarch64)
need_file --runtime "$runtime"
sysroot=$lab_dir/arm64-$suite
build_dir=$lab_dir/target/arm64-$suite

make_sysroot
share=$(mktemp -d "$lab_dir/arm64-run.XXXXXX")
trap 'rm -rf "$share"' EXIT
[[ -n $plugin ]] || build
test_plugin
if [[ -n $tests$instructions ]]; then
  build_programs
  [[ -z $tests ]] || run_tests
  [[ -z $instructions ]] || count_instructions
fi
printf '%s\n' "$plugin"
