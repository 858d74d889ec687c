#!/usr/bin/env bash
# Installs what is missing (apt packages, the LiteRT runtime, Rust), builds the program catdog and the plugin in release
# mode, and runs catdog with the arguments. The script prints what it is going to install. A second run starts at once.
#
# Usage: scripts/run.sh [ARGUMENT...]
#
#   scripts/run.sh                       classifies the best camera, or the demo clip if there is no camera
#   scripts/run.sh holiday.mp4           classifies a video or a photo
#   scripts/run.sh --record out.mp4      also records it
#   scripts/run.sh photos holiday/       classifies photos
#   scripts/run.sh help                  prints all commands of catdog; help COMMAND prints its options
#
# The plugin is in target/catdog, for GST_PLUGIN_PATH, and the program is target/release/catdog.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in -h | --help) print_help; exit 0 ;; esac
build_and_stage
export CATDOG_LITERT_LIBRARY=${CATDOG_LITERT_LIBRARY:-$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME}
# What catdog classifies if there is no camera.
export CATDOG_DEMO_CLIP=$CATDOG_ROOT/models/demo/demo.mp4
# The programs evaluate and train: catdog does not find them if CARGO_TARGET_DIR is outside the source code.
export CATDOG_MODELS_DIR=${CATDOG_MODELS_DIR:-$CATDOG_ROOT/models}
exec "$CATDOG_TARGET/release/catdog" "$@"
