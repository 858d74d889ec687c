#!/usr/bin/env bash
# scripts/fetch-runtime.sh stores the complete library or no file.
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
[ -s "$library" ] || fail "the library is missing"
sha256sum "$library" >"$SCRATCH/sum"

# A good library is kept, without network access
touch -d '2001-01-01' "$library"
PIP_NO_INDEX=1 PIP_FIND_LINKS='' expect_status 0 "$fetch" "$stage"
[ "$(date -r "$library" +%Y)" = 2001 ] || fail "a good library is replaced"

# A damaged library is replaced from the cached package, without network access
truncate -s 1000 "$library"
PIP_NO_INDEX=1 PIP_FIND_LINKS='' expect_status 0 "$fetch" "$stage"
sha256sum --check --status "$SCRATCH/sum" || fail "the damaged library is kept"

# Without package and network there is an error, and no incomplete file
PIP_NO_INDEX=1 PIP_FIND_LINKS='' XDG_CACHE_HOME=$SCRATCH/empty expect_status 1 "$fetch" "$SCRATCH/offline"
expect_in stderr "could not be downloaded"
[ -z "$(find "$SCRATCH/empty" "$SCRATCH/offline" -type f)" ] || fail "files are left over"

# A damaged package in the cache is not used
mkdir -p "$SCRATCH/damaged/catdog"
cp "${XDG_CACHE_HOME:-$HOME/.cache}"/catdog/*"$(uname -m)".whl "$SCRATCH/damaged/catdog/"
truncate -s -1 "$SCRATCH"/damaged/catdog/*.whl
PIP_NO_INDEX=1 PIP_FIND_LINKS='' XDG_CACHE_HOME=$SCRATCH/damaged expect_status 1 "$fetch" "$SCRATCH/offline"
[ ! -e "$SCRATCH/offline/libLiteRt.so" ] || fail "a library was extracted from a damaged package"
