#!/usr/bin/env bash
# scripts/fetch-runtime.sh: the library arrives whole or not at all.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
fetch=$ROOT/scripts/fetch-runtime.sh
stage=$SCRATCH/stage
library=$stage/libLiteRt.so

expect_status 2 "$fetch" --arch riscv64
expect_in stderr "no build for riscv64"
expect_status 2 "$fetch" --no-such-option
expect_status 0 "$fetch" --help
expect_in stdout "Usage: scripts/fetch-runtime.sh"

expect_status 0 "$fetch" "$stage"
[ -s "$library" ] || fail "no library"
sha256sum "$library" >"$SCRATCH/sum"

# all there: nothing is written, no network is asked
touch -d '2001-01-01' "$library"
PIP_NO_INDEX=1 PIP_FIND_LINKS='' expect_status 0 "$fetch" "$stage"
[ "$(date -r "$library" +%Y)" = 2001 ] || fail "a good library was replaced"

# a damaged library is replaced from the cached package, without network
truncate -s 1000 "$library"
PIP_NO_INDEX=1 PIP_FIND_LINKS='' expect_status 0 "$fetch" "$stage"
sha256sum --check --status "$SCRATCH/sum" || fail "the damaged library is still there"

# no package and no network: an error that says so, and no half file
PIP_NO_INDEX=1 PIP_FIND_LINKS='' XDG_CACHE_HOME=$SCRATCH/empty expect_status 1 "$fetch" "$SCRATCH/offline"
expect_in stderr "could not be downloaded"
[ -z "$(find "$SCRATCH/empty" "$SCRATCH/offline" -type f)" ] || fail "files were left behind"

# a damaged package in the cache is not used
mkdir -p "$SCRATCH/damaged/catdog"
cp "${XDG_CACHE_HOME:-$HOME/.cache}"/catdog/*"$(uname -m)".whl "$SCRATCH/damaged/catdog/"
truncate -s -1 "$SCRATCH"/damaged/catdog/*.whl
PIP_NO_INDEX=1 PIP_FIND_LINKS='' XDG_CACHE_HOME=$SCRATCH/damaged expect_status 1 "$fetch" "$SCRATCH/offline"
[ ! -e "$SCRATCH/offline/libLiteRt.so" ] || fail "a library came out of a damaged package"
