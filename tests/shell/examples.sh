#!/usr/bin/env bash
# The programs of examples/ compile, run on the demo clip, and print its labels in their order.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
source "$ROOT/scripts/lib.sh"

export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$CATDOG_STAGE}
export CATDOG_LITERT_LIBRARY=${CATDOG_LITERT_LIBRARY:-$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME}
clip=$ROOT/models/demo/demo.mp4
cd "$ROOT"

# expect_labels NAME : the labels in $SCRATCH/stdout, without repetitions, are those of the clip.
expect_labels() {
  local labels
  labels=$(grep -oE '(neither|cat|dog) +[0-9]+ ?%' "$SCRATCH/stdout" | awk '$1 != last { printf "%s ", $1; last = $1 }')
  [ "$labels" = 'neither cat neither dog neither ' ] || fail "$1 printed the labels: $labels"
}

# shellcheck disable=SC2046 # one word per flag
cc -Wall -Wextra -Werror -o "$SCRATCH/read_metadata" examples/read_metadata.c $(pkg-config --cflags --libs gstreamer-1.0) ||
  fail "read_metadata.c does not compile"
expect_status 2 "$SCRATCH/read_metadata"
expect_status 0 "$SCRATCH/read_metadata" "$clip"
expect_labels read_metadata.c
expect_status 1 "$SCRATCH/read_metadata" "$clip" /nonexistent.tflite
expect_in stderr nonexistent.tflite

expect_status 0 "$CATDOG_PYTHON" examples/read_metadata.py "$clip"
expect_labels read_metadata.py

ensure_rust
mapfile -t features < <(cargo_features)
expect_status 0 cargo run --quiet --locked "${features[@]}" --example read_metadata -- "$clip"
expect_labels read_metadata.rs

# The elements must come from the program itself.
unset GST_PLUGIN_PATH
export GST_REGISTRY=$SCRATCH/registry.bin
expect_status 0 cargo run --quiet --locked "${features[@]}" --example embed -- "$clip"
expect_labels embed.rs
expect_status 0 cargo run --quiet --locked "${features[@]}" --example embed
expect_in stdout '%'
echo "4 examples ran"
