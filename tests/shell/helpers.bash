# shellcheck shell=bash
# helpers.bash - sourced by the shell tests: a scratch folder, and assertions that name what was expected.
# A test is a script that exits 0 (passed), 77 (skipped, with the reason on stdout) or anything else.

# shellcheck disable=SC2034 # read by the tests
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

skip() {
  printf 'skipped: %s\n' "$*"
  exit 77
}

# expect_status STATUS COMMAND... : runs it; its output is in $SCRATCH/stdout and $SCRATCH/stderr.
expect_status() {
  local wanted=$1 status=0
  shift
  "$@" >"$SCRATCH/stdout" 2>"$SCRATCH/stderr" </dev/null || status=$?
  [ "$status" = "$wanted" ] || {
    cat "$SCRATCH/stdout" "$SCRATCH/stderr" >&2
    fail "status $status instead of $wanted: $*"
  }
}

# expect_in FILE TEXT
expect_in() {
  grep -qF -- "$2" "$SCRATCH/$1" || {
    cat "$SCRATCH/$1" >&2
    fail "no «$2» in $1"
  }
}

# stand_in NAME BODY : a command that comes first in PATH.
stand_in() {
  mkdir -p "$SCRATCH/bin"
  printf '#!/bin/sh\n%s\n' "$2" >"$SCRATCH/bin/$1"
  chmod +x "$SCRATCH/bin/$1"
  PATH=$SCRATCH/bin:$PATH
}
