#!/usr/bin/env bash
# Runs every test of catdog: installs missing packages, builds the plugin, fetches the LiteRT runtime, and runs the Rust
# tests with their doctests, the check of the reference pages, the Python tests, and the shell tests.
#
# Usage: scripts/test.sh [--quick] [--only NAME] [--require] [--lab]
#
#   --quick      only the Rust tests and the check of the reference pages
#   --only NAME  only the Rust tests whose name contains NAME
#   --require    a test whose data is missing fails instead of being skipped; CI=true has the same effect
#   --lab        also the scripts in scripts/lab: Debian 13, arm64, a webcam (many minutes; needs root)
#
# Some tests need models and clips outside of the repository. They are in the folder $CATDOG_TEST_DATA (default: ../shared);
# if there is no such folder, --require has no effect.
#
# The last line has the counts: N passed, N failed, N skipped. The exit code is 1 if a test failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

quick='' only='' require='' lab=''
[ "${CI:-}" != true ] || require=1
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) print_help; exit 0 ;;
    --quick) quick=1 ;;
    --only)
      [ $# -ge 2 ] || usage_error "--only needs a name"
      only=$2
      shift
      ;;
    --require) require=1 ;;
    --lab) lab=1 ;;
    *) usage_error "unknown argument $1" ;;
  esac
  shift
done

passed=0 failed=0 skipped=0
failures=() skips=()

# count PASSED FAILED SKIPPED NAME : adds the counts; NAME is listed at the end if a test failed.
count() {
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + $3))
  [ "$2" = 0 ] || failures+=("$4")
}

# count_run NAME STATUS PASSED FAILED SKIPPED : a status other than 0 is a failure, even if no test is counted as failed.
count_run() {
  local failed_here=$4
  [ "$2" = 0 ] || [ "$failed_here" != 0 ] || failed_here=1
  count "$3" "$failed_here" "$5" "$1"
}

heading() { printf '\n== %s\n' "$*"; }

# logged COMMAND... : prints the output and writes it to $log. Returns the status of the command.
log=$CATDOG_TARGET/test.log
logged() {
  "$@" 2>&1 </dev/null | tee "$log"
}

# total REGEX : the sum of the numbers that the first group of REGEX finds in $log.
total() {
  sed -nE "s/.*$1.*/\\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'
}

# A Rust test whose data is missing returns early, and cargo counts it as passed. It appends a line
# "SKIPPED <test>: <reason>" to this file.
export CATDOG_SKIP_LOG=$CATDOG_TARGET/skipped-tests.log

# count_rust NAME STATUS PASSED FAILED IGNORED : moves the tests in $CATDOG_SKIP_LOG from passed to skipped. A test may
# have several lines there; its first reason is listed at the end.
count_rust() {
  local skipped_here lines
  mapfile -t lines < <(sed -n 's/^SKIPPED //p' "$CATDOG_SKIP_LOG" | sort -u -t : -k 1,1)
  skips+=("${lines[@]}")
  skipped_here=${#lines[@]}
  count_run "$1" "$2" $(($3 - skipped_here)) "$4" $(($5 + skipped_here))
}

# cargo_test NAME ARGUMENT... : runs `cargo test`, which prints one result line per program.
cargo_test() {
  local name=$1 status=0
  shift
  : >"$CATDOG_SKIP_LOG"
  logged cargo test --locked --workspace --no-fail-fast "${features[@]}" "$@" || status=$?
  count_rust "$name" "$status" "$(total '^test result:.* ([0-9]+) passed')" \
    "$(total '^test result:.* ([0-9]+) failed')" "$(total '^test result:.* ([0-9]+) ignored')"
}

nextest() {
  local status=0 skipped_here
  : >"$CATDOG_SKIP_LOG"
  logged cargo nextest run --locked --workspace --color never --no-fail-fast --no-tests pass "${features[@]}" "$@" ||
    status=$?
  # nextest also counts the tests that --only leaves out as skipped.
  skipped_here=$(total 'Summary .* ([0-9]+) skipped')
  [ -z "$only" ] || skipped_here=0
  count_rust "Rust tests" "$status" "$(total 'Summary .* ([0-9]+) passed')" \
    "$(($(total 'Summary .* ([0-9]+) failed') + $(total 'Summary .* ([0-9]+) timed out')))" "$skipped_here"
}

rust_tests() {
  heading "Rust tests"
  if cargo nextest --version >/dev/null 2>&1; then
    nextest ${only:+"$only"}
    [ -z "$only" ] || return 0
    heading "doctests"
    cargo_test "doctests" --doc
  elif [ -n "$only" ]; then
    cargo_test "Rust tests" --tests "$only"
  else
    cargo_test "Rust tests and doctests"
  fi
}

python_tests() {
  local status=0 bad skipped_here ran
  compgen -G 'tests/*.py' >/dev/null || return 0
  heading "Python tests"
  logged "$CATDOG_PYTHON" -m unittest discover --start-directory tests --pattern '*.py' || status=$?
  ran=$(total '^Ran ([0-9]+) test')
  bad=$(($(total '^FAILED.*failures=([0-9]+)') + $(total '^FAILED.*errors=([0-9]+)')))
  skipped_here=$(total '^[OF][KA].*skipped=([0-9]+)')
  count_run "Python tests" "$status" $((ran - bad - skipped_here)) "$bad" "$skipped_here"
}

# one_test NAME COMMAND... : a command that is one test. Status 0 is passed, 77 is skipped, others are failed.
one_test() {
  local name=$1 status=0 start=$SECONDS result
  shift
  heading "$name"
  "$@" </dev/null || status=$?
  case $status in
    0) count 1 0 0 "$name" && result=passed ;;
    77) count 0 0 1 "$name" && result=skipped ;;
    *) count 0 1 0 "$name" && result="failed with status $status" ;;
  esac
  echo "$result, $((SECONDS - start)) s"
}

# All tests on Debian 13, the plugin on an emulated Raspberry Pi, and plugin and program with cameras.
lab_tests() {
  one_test "Debian 13" scripts/lab/trixie.sh run scripts/test.sh
  one_test "arm64" scripts/lab/arm64.sh --tests
  one_test "webcam" scripts/lab/webcam-vm.sh
  one_test "webcam with catdog" scripts/lab/webcam-vm.sh --program "$CATDOG_TARGET/release/catdog"
  one_test "PipeWire" scripts/lab/pipewire.sh
  one_test "the study with Keras" scripts/lab/study.sh
  one_test "archive with Ray" scripts/lab/ray.sh
}

cd "$CATDOG_ROOT"
ensure_packages "${CATDOG_PACKAGES_BUILD[@]}" "${CATDOG_PACKAGES_RUN[@]}" \
  "${CATDOG_PACKAGES_RUNTIME[@]}" "${CATDOG_PACKAGES_TEST[@]}"
build_and_stage
mapfile -t features < <(cargo_features)

export GST_PLUGIN_PATH=$CATDOG_STAGE CATDOG_LITERT_LIBRARY=$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME
# A separate registry lists neither broken plugins of the user nor a plugin of an earlier build.
export GST_REGISTRY=$CATDOG_TARGET/test-registry.bin
export G_DEBUG=fatal_warnings
if data=$(test_data); then
  export CATDOG_TEST_DATA=$data
  [ -z "$require" ] || export CATDOG_TEST_REQUIRE=1
fi

rust_tests
if [ -z "$only" ]; then
  one_test "reference pages" scripts/generate-reference.sh --check
  if [ -z "$quick" ]; then
    python_tests
    for script in tests/shell/*.sh; do one_test "$script" "$script"; done
  fi
fi
[ -z "$lab" ] || lab_tests

echo
for skip in "${skips[@]}"; do echo "skipped: $skip"; done
for failure in "${failures[@]}"; do echo "failed: $failure"; done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
