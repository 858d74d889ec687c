#!/usr/bin/env bash
# Tests `catdog cameras` and `catdog live` with a camera of PipeWire: in the chroot of trixie.sh, PipeWire gets a camera
# that shows the demo clip.
#
# Usage: scripts/lab/pipewire.sh [--program FILE] [--runtime FILE] [--out DIR]
#
#   --program  catdog (default: the release build of this repository)
#   --runtime  libLiteRt.so (default: CATDOG_LITERT_LIBRARY, or the one of fetch-runtime.sh)
#   --out      folder of the logs (default: $CATDOG_LAB/pipewire)
#
# Needs root and debootstrap; takes half a minute. See common.sh for CATDOG_LAB and CATDOG_MIRROR.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program=$CATDOG_TARGET/release/catdog runtime=${CATDOG_LITERT_LIBRARY:-} out=$lab_dir/pipewire
case ${1:-} in -h | --help) print_help; exit ;; esac
while [[ $# -gt 0 ]]; do
  [[ $# -ge 2 ]] || usage_error "$1 needs a value"
  case $1 in
    --program) program=$2 ;;
    --runtime) runtime=$2 ;;
    --out) out=$(realpath -m "$2") ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift 2
done
need_root
need_file --program "$program"
[[ -n $runtime ]] || runtime=$(lab_runtime x86_64)
need_file --runtime "$runtime"

"$lab_scripts/trixie.sh" install dbus gstreamer1.0-pipewire pipewire pipewire-bin wireplumber
mkdir -p "$out"
rm -f "$out"/*
timeout --kill-after=10 300 "$lab_scripts/enter.sh" --bind "$(realpath "$program"):/mnt/catdog" \
  --bind "$(realpath "$runtime"):/mnt/$CATDOG_RUNTIME" --bind "$CATDOG_ROOT/models/demo/demo.mp4:/mnt/demo.mp4" \
  --bind "$lab_scripts/pipewire/session.sh:/mnt/session.sh" --bind "$out:/mnt/out" \
  --env "CATDOG_LITERT_LIBRARY=/mnt/$CATDOG_RUNTIME" "$lab_dir/trixie" \
  dbus-run-session -- bash /mnt/session.sh || die "the session with PipeWire failed; see the logs in $out"

grep -q '"name":"Cat Cam".*"api":"pipewire"' "$out/cameras.json" || die "catdog cameras does not list the camera; see $out/cameras.json"
grep -q "pipewiresrc target-object=" "$out/pipeline.txt" || die "the printed pipeline has no pipewiresrc; see $out/pipeline.txt"
for label in cat dog; do
  grep -qE "  $label  [0-9]+ %$" "$out/live.txt" || die "catdog live did not print the $label; see $out/live.txt"
done
say "catdog found the camera of PipeWire and classified its pictures: $out"
