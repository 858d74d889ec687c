#!/usr/bin/env bash
# Downloads the LiteRT runtime (libLiteRt.so), which catdogfilter loads. Google publishes it in the Python package
# ai-edge-litert. The script extracts the library and installs no Python package.
#
# Usage: scripts/fetch-runtime.sh [--arch x86_64|aarch64] [DIR]
#
#   DIR     the folder for libLiteRt.so (default: target/gst-catdog, where a plugin in target/catdog searches for it).
#           Do not use a GStreamer plugin folder: GStreamer opens and closes every library there, and LiteRT 2.3.0
#           crashes at exit after being unloaded
#   --arch  the architecture of the library (default: the one of this machine)
#
# The package stays in ${XDG_CACHE_HOME:-~/.cache}/catdog. The SHA-256 of the package and of the library are checked. A
# damaged package is downloaded a second time; an interrupted download leaves no files. Needs python3 with pip, which
# the script installs with apt if they are missing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly version=2.3.0
arch=
dir=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --arch) [ $# -ge 2 ] || usage_error "--arch needs x86_64 or aarch64"; arch=$2; shift ;;
    --arch=*) arch=${1#*=} ;;
    -*) usage_error "unknown option $1" ;;
    *) [ -z "$dir" ] || usage_error "more than one folder: $dir and $1"; dir=$1 ;;
  esac
  shift
done
: "${arch:=$(machine_arch)}" "${dir:=$CATDOG_RUNTIME_DIR}"

case $arch in
  x86_64)
    wheel_sha256=1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23
    library_sha256=eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb
    ;;
  aarch64)
    wheel_sha256=853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae
    library_sha256=b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b
    ;;
  *) usage_error "LiteRT has no build for $arch; use --arch x86_64 or --arch aarch64" ;;
esac
readonly wheel=ai_edge_litert-$version-cp311-cp311-manylinux_2_27_$arch.whl
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/catdog

# is_intact FILE SHA256 : true if the file exists and has this checksum.
is_intact() {
  [ -f "$1" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status
}

# Prints an interpreter that has pip: Debian's, or the one in PATH.
python_with_pip() {
  local python
  for python in "$CATDOG_PYTHON" python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      echo "$python"
      return 0
    fi
  done
  return 1
}

download() {
  local python
  if ! python=$(python_with_pip); then
    ensure_packages "${CATDOG_PACKAGES_RUNTIME[@]}"
    python=$(python_with_pip) ||
      die "pip is missing; install it (python3-pip), or put $CATDOG_RUNTIME of ai-edge-litert $version into $dir by hand"
  fi
  "$python" -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: \
    --python-version 3.11 --implementation cp --abi cp311 --platform "manylinux_2_27_$arch" \
    --dest "$scratch" "ai-edge-litert==$version" >&2 </dev/null ||
    die "the LiteRT runtime could not be downloaded (pip's message is above); check the network, or put $CATDOG_RUNTIME into $dir by hand"
  is_intact "$scratch/$wheel" "$wheel_sha256" || return 1
  mv -f "$scratch/$wheel" "$cache/$wheel"
}

if is_intact "$dir/$CATDOG_RUNTIME" "$library_sha256"; then
  say "LiteRT $version for $arch is already in $dir"
  exit 0
fi

mkdir -p "$cache" "$dir" || die "cannot write to $cache or $dir"
scratch=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$scratch" "$dir/.$CATDOG_RUNTIME.$$"' EXIT
if ! is_intact "$cache/$wheel" "$wheel_sha256"; then
  say "downloading LiteRT $version for $arch (about 20 MB) into $cache"
  download || {
    say "the download is damaged; trying again"
    rm -rf "${scratch:?}"/*
    download || die "the download is damaged again; $wheel does not have the SHA-256 $wheel_sha256"
  }
fi

python=$(command -v "$CATDOG_PYTHON" || command -v python3) || die "python3 is missing; install it"
"$python" - "$cache/$wheel" "ai_edge_litert/$CATDOG_RUNTIME" "$dir/.$CATDOG_RUNTIME.$$" <<'PYTHON'
import shutil, sys, zipfile

package, member, out = sys.argv[1:]
with zipfile.ZipFile(package) as archive, archive.open(member) as source, open(out, "wb") as sink:
    shutil.copyfileobj(source, sink)
PYTHON
is_intact "$dir/.$CATDOG_RUNTIME.$$" "$library_sha256" ||
  die "$CATDOG_RUNTIME in $wheel has a wrong SHA-256; remove $cache/$wheel and try again"
mv -f "$dir/.$CATDOG_RUNTIME.$$" "$dir/$CATDOG_RUNTIME"
say "installed LiteRT $version for $arch in $dir"
