#!/usr/bin/env bash
# Runs every test of catdog: installs what is missing, builds the plugin, fetches the LiteRT runtime,
# then the Rust tests with their doctests, the Python tests, the shell tests, and README.md against the
# plugin. Tests that need a model or clips find them in $CATDOG_TEST_DATA (default: ../shared) or skip.
#
# Usage: scripts/test.sh [--quick] [--lab]
#
#   --quick  the Rust tests and README.md only
#   --lab    the scripts in scripts/lab too: Debian 13, arm64, a webcam (many minutes; needs root)
#
# The last line counts: N passed, N failed, N skipped. The exit code is 1 when something failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

quick='' lab=''
for argument in "$@"; do
  case $argument in
    -h | --help) print_help; exit 0 ;;
    --quick) quick=1 ;;
    --lab) lab=1 ;;
    *) usage_error "unknown argument $argument" ;;
  esac
done

passed=0 failed=0 skipped=0
failures=()

# count PASSED FAILED SKIPPED WHAT
count() {
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + $3))
  [ "$2" = 0 ] || failures+=("$4")
}

heading() { printf '\n== %s\n' "$*"; }

# logged COMMAND... : on the screen, and in $log for the count; the status is the command's.
log=$CATDOG_TARGET/test.log
logged() {
  "$@" 2>&1 </dev/null | tee "$log"
}

# total REGEX : of the numbers that the first group of REGEX finds in $log.
total() {
  sed -nE "s/.*$1.*/\\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'
}

# counted WHAT STATUS PASSED FAILED SKIPPED : a failure that the log does not count is one all the same.
counted() {
  local failed_here=$4
  [ "$2" = 0 ] || [ "$failed_here" != 0 ] || failed_here=1
  count "$3" "$failed_here" "$5" "$1"
}

# cargo_test WHAT ARGUMENT... : `cargo test`, one result line per test program.
cargo_test() {
  local what=$1 status=0
  shift
  logged cargo test --locked "${features[@]}" "$@" || status=$?
  counted "$what" "$status" "$(total '^test result:.* ([0-9]+) passed')" \
    "$(total '^test result:.* ([0-9]+) failed')" "$(total '^test result:.* ([0-9]+) ignored')"
}

rust_tests() {
  local status=0
  heading "Rust tests"
  if cargo nextest --version >/dev/null 2>&1; then
    logged cargo nextest run --locked --color never --no-fail-fast --no-tests pass "${features[@]}" || status=$?
    counted "Rust tests" "$status" "$(total 'Summary .* ([0-9]+) passed')" \
      "$(($(total 'Summary .* ([0-9]+) failed') + $(total 'Summary .* ([0-9]+) timed out')))" \
      "$(total 'Summary .* ([0-9]+) skipped')"
    heading "doctests"
    cargo_test "doctests" --doc
  else
    cargo_test "Rust tests" --no-fail-fast
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
  counted "Python tests" "$status" $((ran - bad - skipped_here)) "$bad" "$skipped_here"
}

# one_test NAME COMMAND... : passed, skipped (status 77) or failed.
one_test() {
  local name=$1 status=0
  shift
  heading "$name"
  "$@" </dev/null || status=$?
  case $status in
    0) count 1 0 0 "$name" && echo passed ;;
    77) count 0 0 1 "$name" && echo skipped ;;
    *) count 0 1 0 "$name" && echo "failed with status $status" ;;
  esac
}

# The same tests on Debian 13, and the plugin on an emulated Raspberry Pi and on a webcam.
lab_tests() {
  one_test "Debian 13" scripts/lab/trixie.sh run scripts/test.sh
  one_test "arm64" scripts/lab/arm64.sh --tests
  one_test "webcam" scripts/lab/webcam-vm.sh
}

cd "$CATDOG_ROOT"
ensure_packages "${CATDOG_PACKAGES_BUILD[@]}" "${CATDOG_PACKAGES_RUN[@]}" \
  "${CATDOG_PACKAGES_RUNTIME[@]}" "${CATDOG_PACKAGES_TEST[@]}"
build_and_stage
mapfile -t features < <(cargo_features)

export GST_PLUGIN_PATH=$CATDOG_STAGE CATDOG_LITERT_LIBRARY=$CATDOG_RUNTIME_DIR/$CATDOG_RUNTIME
# a registry of its own: neither the user's plugins that fail to load nor one left from another build
export GST_REGISTRY=$CATDOG_TARGET/test-registry.bin
export G_DEBUG=fatal_warnings
if data=$(test_data); then export CATDOG_TEST_DATA=$data; fi

rust_tests
one_test "reference pages" scripts/generate-reference.sh --check
if [ -z "$quick" ]; then
  python_tests
  for script in tests/shell/*.sh; do one_test "$script" "$script"; done
fi
[ -z "$lab" ] || lab_tests

echo
for failure in "${failures[@]}"; do echo "failed: $failure"; done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
