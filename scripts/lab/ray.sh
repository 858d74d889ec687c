#!/usr/bin/env bash
# Runs examples/archive/ray_archive.py with Ray on this machine (100 MB to download), twice.
#
# Usage: scripts/lab/ray.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
source "$CATDOG_ROOT/tests/shell/helpers.bash"
case ${1:-} in -h | --help) print_help; exit 0 ;; esac

build_and_stage
export CATDOG_LITERT_LIBRARY=${CATDOG_LITERT_LIBRARY:-$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME}
{ cat "$CATDOG_ROOT/examples/archive/requirements.txt"; echo "ray==2.60.0"; } >"$SCRATCH/requirements.txt"
make_venv "$CATDOG_TARGET/ray-venv" "$SCRATCH/requirements.txt" "Ray"
cd "$SCRATCH"
mkdir recordings
for number in 1 2 3; do cp "$CATDOG_ROOT/models/demo/demo.mp4" "recordings/$number.mp4"; done
echo text >recordings/text.mp4
archive() {
  "$CATDOG_TARGET/ray-venv/bin/python" "$CATDOG_ROOT/examples/archive/ray_archive.py" recordings --out results \
    --program "$CATDOG_TARGET/release/catdog" -- --every 1
}
expect_status 3 archive
expect_in stdout "4 of 4"
expect_in stderr "text.mp4: it is not a video"
"$CATDOG_TARGET/release/catdog" archive recordings --out alone --every 1 2>/dev/null || true
diff -r results/videos alone/videos || fail "Ray writes other files than one process"
expect_status 3 archive
expect_in stdout "1 of 1"
