#!/usr/bin/env bash
# scripts/run.sh: it builds catdog and passes its arguments on; without a camera, the demo clip is classified. The tests of
# crates/catdog-cli test catdog itself.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
run=$ROOT/scripts/run.sh
clip=$ROOT/models/demo/demo.mp4

expect_status 0 "$run" --help
expect_in stdout "Usage: scripts/run.sh"

cd "$SCRATCH"
unset DISPLAY WAYLAND_DISPLAY CATDOG_LITERT_LIBRARY GST_PLUGIN_PATH
for attempt in first second; do
  expect_status 0 "$run" "$clip" --record out.mp4
  expect_in stderr "recorded out.mp4"
  grep -qE '^0:00:0[0-9]\.[0-9]  cat  [0-9]+ %$' stdout || fail "the $attempt run printed no line for the cat: $(cat stdout)"
  gst-launch-1.0 -q filesrc location=out.mp4 ! decodebin ! videoconvert ! fakesink || fail "out.mp4 cannot be played"
done
grep -q 'installing' stderr && fail "the second run installed packages"

expect_status 2 "$run" --wrong
expect_status 1 "$run" no-such-file.mp4
expect_in stderr "there is no such file"
expect_status 0 "$run" photos "$ROOT/models/card"
expect_in stdout "limits.png"

# Without a camera, the demo clip is played
if ! compgen -G '/dev/video*' >/dev/null; then
  expect_status 0 "$run"
  expect_in stderr "no camera: the demo clip"
  for label in neither cat dog; do
    grep -qE "  $label  [0-9]+ %$" stdout || fail "no line for $label in the demo clip: $(cat stdout)"
  done
fi

# A signal reaches the program, so that a recording is complete
"$run" test --record cut.mp4 >stdout 2>stderr &
pid=$!
for _ in $(seq 300); do
  [ ! -s cut.mp4 ] || break
  sleep 0.1
done
kill -TERM "$pid" 2>/dev/null || :
wait "$pid" || fail "status $? after a signal: $(cat stderr)"
gst-launch-1.0 -q filesrc location=cut.mp4 ! decodebin ! videoconvert ! fakesink || fail "cut.mp4 cannot be played"

# catdog finds the training and the evaluation of this folder
expect_status 0 "$run" evaluate --help
expect_in stdout "Usage: models/evaluate"
