# shellcheck shell=bash
# helpers.bash - sourced by the shell tests: a scratch folder, and assertions.
#
# A test is a script. Its status is 0 if it passed and 77 if it is skipped, with the reason on stdout. Every other
# status is a failure.

# shellcheck disable=SC2034 # read by the tests
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

# fail TEXT : ends the test as failed.
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# skip REASON : ends the test as skipped.
skip() {
  printf 'skipped: %s\n' "$*"
  exit 77
}

# expect_status STATUS COMMAND... : runs COMMAND and fails on another status. The output is in $SCRATCH/stdout and
# $SCRATCH/stderr.
expect_status() {
  local expected=$1 status=0
  shift
  "$@" >"$SCRATCH/stdout" 2>"$SCRATCH/stderr" </dev/null || status=$?
  [ "$status" = "$expected" ] || {
    cat "$SCRATCH/stdout" "$SCRATCH/stderr" >&2
    fail "status $status instead of $expected: $*"
  }
}

# expect_in FILE TEXT : fails if TEXT is not in $SCRATCH/FILE.
expect_in() {
  grep -qF -- "$2" "$SCRATCH/$1" || {
    cat "$SCRATCH/$1" >&2
    fail "«$2» is not in $1"
  }
}

# stand_in NAME BODY : creates a shell script that replaces the command NAME.
stand_in() {
  mkdir -p "$SCRATCH/bin"
  printf '#!/bin/sh\n%s\n' "$2" >"$SCRATCH/bin/$1"
  chmod +x "$SCRATCH/bin/$1"
  PATH=$SCRATCH/bin:$PATH
}
