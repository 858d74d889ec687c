#!/usr/bin/env bash
# Compares the preprocessing of catdog with that of other libraries, see src/main.rs. Installs libswscale with apt and
# OpenCV for Python into a virtual environment under target/, builds the program and runs it.
#
# Usage: benches/peers/preprocess/run.sh [--rounds N] [--markdown FILE]
#
#   --rounds N       number of measurements of each library (default: 60, minimum: 30) --markdown FILE  also write the
#   result to FILE
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib.sh"

arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --rounds | --markdown)
      [ $# -ge 2 ] || usage_error "$1 needs a value"
      arguments+=("$1" "$2")
      shift
      ;;
    *) usage_error "unknown argument $1" ;;
  esac
  shift
done

readonly opencv=5.0.0.93 numpy=2.4.6
readonly here=$CATDOG_ROOT/benches/peers/preprocess built=$CATDOG_TARGET/preprocess-peers
readonly python=$built/venv/bin/python

# Installs OpenCV in the version of the published results.
ensure_opencv() {
  "$python" -c "import cv2, numpy" 2>/dev/null || {
    say "installing opencv-python-headless $opencv and numpy $numpy into $built/venv"
    "$CATDOG_PYTHON" -m venv --clear "$built/venv"
    "$built/venv/bin/pip" install --quiet --disable-pip-version-check \
      "opencv-python-headless==$opencv" "numpy==$numpy" >&2 </dev/null ||
      die "pip could not install OpenCV (its message is above)"
  }
}

ensure_packages "${CATDOG_PACKAGES_BUILD[@]}" libswscale-dev libavutil-dev python3-venv
ensure_rust
ensure_opencv
cargo build --release --manifest-path "$here/Cargo.toml" --target-dir "$built" >&2 </dev/null ||
  die "the build failed (cargo's message is above)"
CATDOG_PEERS_PYTHON=$python exec "$built/release/preprocess-peers" "${arguments[@]}"
