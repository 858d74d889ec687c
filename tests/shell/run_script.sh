#!/usr/bin/env bash
# scripts/run.sh: wrong arguments, recordings, and printed labels.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
run=$ROOT/scripts/run.sh

expect_status 0 "$run" --help
expect_in stdout "Usage: scripts/run.sh"
expect_status 2 "$run" no-such-file.mp4
expect_in stderr "there is no file no-such-file.mp4"
expect_status 2 "$run" --record clip.avi
expect_in stderr ".mp4 or .webm"
expect_status 2 "$run" --seconds soon
expect_status 2 "$run" --model
expect_status 2 "$run" --wrong
expect_status 2 "$run" --device /dev/no-such-camera
cp "$run" "$SCRATCH/clip.mp4"
expect_status 2 "$run" "$SCRATCH/clip.mp4" --record "$SCRATCH/clip.mp4"
expect_in stderr "overwrite"

clip=$ROOT/models/demo/demo.mp4

# expect_playable VIDEO CAPS : fails if the video cannot be decoded to its end or has another format
expect_playable() {
  ln -sf "$1" video # this name needs no quotes
  gst-launch-1.0 -q filesrc location=video ! decodebin ! videoconvert ! fakesink || fail "$1 cannot be played"
  gst-launch-1.0 -v filesrc location=video ! parsebin ! fakesink >caps 2>&1 || fail "$1 cannot be parsed"
  grep -q "caps = $2" caps || fail "$1 is not $2"
}

cd "$SCRATCH"
unset DISPLAY WAYLAND_DISPLAY
for attempt in first second; do
  expect_status 0 "$run" "$clip" --record out.mp4
  expect_in stderr "recorded: out.mp4"
  grep -qE '^0:00:0[0-9]\.[0-9]  cat  [0-9]+ %$' stdout || fail "the $attempt run printed no line for the cat: $(cat stdout)"
  [ "$(stat -c %s out.mp4)" -gt 100000 ] || fail "the recording is too small"
done
expect_playable out.mp4 video/x-h264
grep -q 'installing' stderr && fail "the second run installed packages"

# Without --record and without a display, the script chooses the name of the recording
expect_status 0 "$run" "$clip"
expect_in stderr "recorded: catdog-"
compgen -G 'catdog-*.mp4' >/dev/null || fail "there is no recording catdog-*.mp4"

# Without a webcam, the demo clip is played
if ! compgen -G '/dev/video*' >/dev/null; then
  expect_status 0 "$run" --record demo.mp4
  expect_in stderr "no webcam: the demo clip"
  for label in neither cat dog; do
    grep -qE "  $label  [0-9]+ %$" stdout || fail "no line for $label in the demo clip: $(cat stdout)"
  done
fi

# A file name with characters that are special in a shell and in gst-launch-1.0, and WebM
cp "$clip" "a 'clip\" \\ (1)!.mp4"
expect_status 0 "$run" "a 'clip\" \\ (1)!.mp4" --record "an 'out\" \\.webm"
expect_playable "an 'out\" \\.webm" video/x-vp8

# A file that is not a video or not a model is an error, and leaves no empty recording
echo text >text.mp4
expect_status 1 "$run" text.mp4 --record none.mp4
expect_in stderr "the pipeline failed"
[ ! -e none.mp4 ] || fail "there is an empty recording"
expect_status 1 "$run" "$clip" --model text.mp4 --record none.mp4
expect_in stderr "text.mp4"
[ ! -e none.mp4 ] || fail "there is an empty recording"

# A recording that a signal ends can be played
"$run" "$clip" --record cut.mp4 >stdout 2>stderr &
pid=$!
for _ in $(seq 100); do
  [ ! -s cut.mp4 ] || break
  sleep 0.1
done
kill -TERM "$pid" 2>/dev/null || :
wait "$pid" || fail "status $? after a signal: $(cat stderr)"
expect_playable cut.mp4 video/x-h264
