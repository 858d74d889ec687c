#!/usr/bin/env bash
# Generates the reference pages of the documentation, docs/reference/*.md, from the code: builds the example
# `reference` and the command `catdog`, and lets the example write the pages.
#
# Usage: scripts/generate-reference.sh [--check]
#
#   --check  write nothing; print the differences and fail if a page is not up to date
#
# The pages are the same with and without the feature `analytics`, and with every supported version of GStreamer.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check=
case ${1:-} in
  '') ;;
  -h | --help) print_help; exit 0 ;;
  --check) check=1 ;;
  *) usage_error "unknown argument $1" ;;
esac
[ $# -le 1 ] || usage_error "too many arguments"

cd "$CATDOG_ROOT"
ensure_packages "${CATDOG_PACKAGES_BUILD[@]}" "${CATDOG_PACKAGES_RUN[@]}" "${CATDOG_PACKAGES_RUNTIME[@]}"
ensure_rust
fetch_runtime
mapfile -t features < <(cargo_features)
# The development profile, because `cargo test` has already built most of it.
cargo_build() {
  cargo build --locked --quiet "$@" >&2 </dev/null || die "the build failed (cargo's message is above)"
}
cargo_build "${features[@]}" --example reference
cargo_build --package catdog-cli --bin catdog

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The example contains the elements, so it needs no installed plugin. With another cache folder, it does not use the
# thread counts that are cached for the user.
env -u GST_PLUGIN_PATH CATDOG_LITERT_LIBRARY="$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME" XDG_CACHE_HOME="$scratch/cache" \
  GST_REGISTRY="$scratch/registry.bin" \
  "$CATDOG_TARGET/debug/examples/reference" "$scratch/pages" "$CATDOG_TARGET/debug/catdog" ||
  die "the pages could not be generated (the message is above)"

readonly pages=docs/reference
if [ -n "$check" ]; then
  diff --unified --recursive --new-file "$pages" "$scratch/pages" ||
    die "the reference pages are out of date (differences above); run scripts/generate-reference.sh and commit $pages"
  say "the reference pages are up to date"
else
  mkdir -p "$pages"
  rm -f "$pages"/*.md
  cp "$scratch"/pages/*.md "$pages"
  say "the reference pages are in $pages"
fi
