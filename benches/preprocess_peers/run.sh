#!/usr/bin/env bash
# Times the preprocessing beside that of other libraries, see src/main.rs: installs what is missing
# (libswscale, OpenCV for Python in an environment of its own under target/), builds, and runs.
#
# Usage: benches/preprocess_peers/run.sh [--rounds N] [--markdown FILE]
#
#   --rounds N       turns of each contender (default: 60, at least 30)
#   --markdown FILE  write there what goes to stdout
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

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
readonly here=$CATDOG_ROOT/benches/preprocess_peers built=$CATDOG_TARGET/preprocess_peers
readonly python=$built/venv/bin/python

# OpenCV in the versions that the measured table names.
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
