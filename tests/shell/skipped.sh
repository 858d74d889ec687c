#!/usr/bin/env bash
# A Rust test whose data is missing counts as skipped and not as passed. If data is required, it fails.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
test=decisions_on_held_out_photos_equal_those_of_python
unset CI CATDOG_TEST_REQUIRE
mkdir "$SCRATCH/empty"
export CATDOG_TEST_DATA=$SCRATCH/empty

# expect_last_line TEXT : the last line that scripts/test.sh printed
expect_last_line() {
  local last
  last=$(tail -n 1 "$SCRATCH/stdout")
  [ "$last" = "$1" ] || {
    cat "$SCRATCH/stdout" >&2
    fail "the last line is «$last» instead of «$1»"
  }
}

expect_status 0 "$ROOT/scripts/test.sh" --only $test
expect_in stdout "skipped: $test: $SCRATCH/empty/data/heldout is missing"
expect_last_line "0 passed, 0 failed, 1 skipped"

expect_status 1 "$ROOT/scripts/test.sh" --only $test --require
expect_in stdout "$test cannot be skipped"
expect_last_line "0 passed, 1 failed, 0 skipped"

CI=true expect_status 1 "$ROOT/scripts/test.sh" --only $test
expect_last_line "0 passed, 1 failed, 0 skipped"

CATDOG_TEST_REQUIRE=1 expect_status 1 "$ROOT/scripts/test.sh" --only $test
expect_last_line "0 passed, 1 failed, 0 skipped"

# Without a folder there is no data to require
CATDOG_TEST_DATA=$SCRATCH/absent
if [ ! -d "$ROOT/../shared" ]; then
  expect_status 0 "$ROOT/scripts/test.sh" --only $test --require
  expect_last_line "0 passed, 0 failed, 1 skipped"
fi

expect_status 2 "$ROOT/scripts/test.sh" --only
expect_status 2 "$ROOT/scripts/test.sh" --no-such-option
