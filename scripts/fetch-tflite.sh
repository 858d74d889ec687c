#!/usr/bin/env bash
# Downloads the classic TensorFlow Lite and its headers, for a build with the feature tflitec, and prints the variables
# that such a build needs:
#
#   variables=$(scripts/fetch-tflite.sh) && eval "$variables"
#   cargo build --release --features tflitec
#
# Usage: scripts/fetch-tflite.sh [--arch x86_64|aarch64] [DIR]
#
#   DIR     folder for libtensorflowlite_c.so and include/ (default: target/tflite)
#   --arch  the architecture of the library (default: the one of this machine)
#
# The library is TensorFlow Lite 2.17.1 of the Python package pymicro-wakeword (Apache-2.0), for Debian 12 and newer; the
# headers are those in the crate edgefirst-tflite-sys (Apache-2.0). Both are checked by their SHA-256. A library of the
# machine's vendor does as well: set TFLITEC_PREBUILT_PATH to it. Needs python3 with pip, and cargo.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly wheel=pymicro-wakeword==2.5.0 crate=edgefirst-tflite-sys crate_version=0.10.3
readonly headers_sha256=cbddaa3388b5ad8a5a2c6c467bc05fb818a3eee7e851650a1bae0da051f83141
readonly headers=(
  tensorflow/lite/core/c/{c_api.h,c_api_types.h,operator.h,common.h} tensorflow/lite/core/async/c/types.h
  tensorflow/lite/builtin_ops.h tensorflow/compiler/mlir/lite/core/c/tflite_types.h
)
arch='' dir=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --arch) [ $# -ge 2 ] || usage_error "--arch needs x86_64 or aarch64"; arch=$2; shift ;;
    -*) usage_error "unknown option $1" ;;
    *) [ -z "$dir" ] || usage_error "more than one folder: $dir and $1"; dir=$1 ;;
  esac
  shift
done
: "${arch:=$(machine_arch)}" "${dir:=$CATDOG_TARGET/tflite}"
case $arch in
  x86_64) library_sha256=25465edb5cd7aadd00249d4d28f1d922ce5cc90195ad4403458111dd63493bae ;;
  aarch64) library_sha256=12062437bfde367b1be592ebc4a9fe64b8453f90b3b7dc21fade002c38e1ac1a ;;
  *) usage_error "there is no TensorFlow Lite for $arch; use --arch x86_64 or --arch aarch64" ;;
esac
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
readonly library=$dir/libtensorflowlite_c.so include=$dir/include

# headers_hash FOLDER : the SHA-256 of the list of checksums of the headers in a folder.
headers_hash() {
  (cd "$1" && sha256sum "${headers[@]}" 2>/dev/null | sha256sum | cut -d ' ' -f 1)
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if ! printf '%s  %s\n' "$library_sha256" "$library" | sha256sum --check --status 2>/dev/null; then
  say "downloading TensorFlow Lite for $arch"
  ensure_packages "${CATDOG_PACKAGES_RUNTIME[@]}"
  "$CATDOG_PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform "manylinux_2_35_$arch" --dest "$scratch" "$wheel" >&2 </dev/null ||
    die "TensorFlow Lite could not be downloaded (pip's message is above)"
  "$CATDOG_PYTHON" -m zipfile -e "$scratch"/pymicro_wakeword-*.whl "$scratch/wheel"
  found=$scratch/wheel/pymicro_wakeword/lib/libtensorflowlite_c.so
  printf '%s  %s\n' "$library_sha256" "$found" | sha256sum --check --status ||
    die "the downloaded library has another checksum than expected"
  install -m 755 "$found" "$library"
fi
if [ "$(headers_hash "$include" 2>/dev/null)" != "$headers_sha256" ]; then
  say "downloading the headers of TensorFlow Lite"
  ensure_rust
  mkdir -p "$scratch/headers/src"
  : >"$scratch/headers/src/lib.rs"
  printf '[package]\nname = "headers"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n[dependencies]\n%s = "=%s"\n' \
    "$crate" "$crate_version" >"$scratch/headers/Cargo.toml"
  (cd "$scratch/headers" && cargo vendor --quiet "$scratch/vendor" >/dev/null) ||
    die "the headers could not be downloaded (cargo's message is above)"
  [ "$(headers_hash "$scratch/vendor/$crate")" = "$headers_sha256" ] ||
    die "the downloaded headers have another checksum than expected"
  rm -rf "$include"
  (cd "$scratch/vendor/$crate" && cp --parents "${headers[@]}" tensorflow/LICENSE "$scratch/headers")
  mkdir -p "$scratch"/headers/tensorflow/lite/{c,delegates/xnnpack} "$include"
  echo '#include "tensorflow/lite/core/c/c_api.h"' >"$scratch/headers/tensorflow/lite/c/c_api.h"
  cp "$CATDOG_ROOT/scripts/tflite/xnnpack_delegate.h" "$scratch/headers/tensorflow/lite/delegates/xnnpack/"
  cp -r "$scratch/headers/tensorflow" "$include"
fi
# bindgen, which makes the bindings, needs libclang, and the build of tflitec OpenSSL.
ensure_packages libclang-dev libssl-dev pkg-config gcc libc6-dev
printf 'export TFLITEC_PREBUILT_PATH=%q TFLITEC_HEADER_DIR=%q\n' "$library" "$include"
