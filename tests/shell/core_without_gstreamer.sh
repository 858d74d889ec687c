#!/usr/bin/env bash
# catdog-core and the command catdog depend on no crate of GStreamer, and catdog-core builds on a machine
# without GStreamer.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
cd "$ROOT"

# expect_no_gstreamer ARGUMENT... : `cargo tree` with these arguments names no crate of GStreamer or GLib.
expect_no_gstreamer() {
  expect_status 0 cargo tree --locked --prefix none --edges normal "$@"
  expect_in stdout "catdog-core v"
  if grep -E '^(gstreamer|glib|gobject|gio)' "$SCRATCH/stdout" >"$SCRATCH/found"; then
    fail "cargo tree $* names $(sort -u "$SCRATCH/found" | paste -sd ' ')"
  fi
}

expect_no_gstreamer -p catdog-core
expect_no_gstreamer -p catdog-core --all-features

# pkg-config finds no .pc file at all. An empty target folder, because cargo would not build again what it has
# built with GStreamer.
mkdir "$SCRATCH/no-pc-files"
PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR=$SCRATCH/no-pc-files PKG_CONFIG=false CARGO_TARGET_DIR=$SCRATCH/target \
  expect_status 0 cargo build --locked -p catdog-core
